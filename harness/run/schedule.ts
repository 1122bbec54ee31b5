/** Decides which cells of a run go on at a moment. Nothing is done here. */

/** What the machine has for VMs. */
export interface Capacity {
  cores: number
  memoryMiB: number
}

/** `missing`: the kernel or the emulator has to be made or fetched first; `cached`: both were there when the run began. */
export type Stage = 'missing' | 'providing' | 'provided' | 'cached' | 'running' | 'ended'

/** A cell as the scheduler sees it. */
export interface Slot {
  stage: Stage
  /** What its VM takes of the machine. */
  cpus: number
  memoryMiB: number
}

/** What a QEMU takes beside the guest's memory: translated code, device models, the rest of the process. MiB. */
export const overheadMiB = 512

/**
 * The cells to start now, by index.
 *
 * - A build takes all cores, and a VM that runs beside it would have its times spoilt: a cell is provided only while
 *   nothing else goes on.
 * - VMs run side by side as long as their vCPUs have a core each (a vCPU of TCG is a thread that never rests) and their
 *   memory is there. One that is too large for the machine runs alone.
 * - Cells whose kernel is cached come first. Then cells are provided until their VMs fill the machine; that is one cell at
 *   a time on two cores, and a batch on many.
 */
export function nextToStart(slots: readonly Slot[], capacity: Capacity): number[] {
  if (slots.some(({ stage }) => stage === 'providing')) return []
  const running = slots.filter(({ stage }) => stage === 'running')
  const chosen: number[] = []
  const fits = (slot: Slot) => {
    const all = [...running, ...chosen.map((index) => slots[index] as Slot), slot]
    const [cpus, memory] = [sum(all, 'cpus'), sum(all, 'memoryMiB') + all.length * overheadMiB]
    return all.length === 1 || (cpus <= capacity.cores && memory <= capacity.memoryMiB)
  }
  for (const stage of ['cached', 'provided'] as const) {
    for (const [index, slot] of slots.entries()) if (slot.stage === stage && fits(slot)) chosen.push(index)
  }
  const missing = slots.findIndex(({ stage }) => stage === 'missing')
  if (missing < 0 || running.length > 0 || slots.some(({ stage }) => stage === 'cached')) return chosen
  return fits(slots[missing] as Slot) ? [missing] : chosen
}

function sum(slots: readonly Slot[], key: 'cpus' | 'memoryMiB'): number {
  return slots.reduce((total, slot) => total + slot[key], 0)
}
