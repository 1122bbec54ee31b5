/** The bench of copies: a guest with large namespaces, all routes and ways, and what has to be said of the figures. */
import { withPrivateDirectory } from '../../../qemu/private-directory.ts'
import type { Emit } from '../../events.ts'
import { Failure } from '../../failure.ts'
import { bootCell, type ProvidedCell } from '../../run/cell.ts'
import type { Series } from '../../series/load.ts'
import type { Profile } from '../../series/profile.ts'
import { offers } from '../../series/resolve.ts'
import type { BenchReport } from '../figures.ts'
import { copyFigures } from './figures.ts'
import { CopyGuest } from './guest.ts'
import { type CopyMeasurement, measureCopies } from './measure.ts'
import { showBytes } from './table.ts'
import { benchTopology } from './topology.ts'

const needs = 'bench compares offload with fallback'
const remedy =
  'use a series that has the BLKCOPY ioctl and limits in sysfs; --harness and --cold measure copylab with any'

/**
 * What the series offers, as far as that can be told before a guest is there.
 * @throws Failure('usage') when there is nothing to compare
 */
export function profileOf(series: Series | null): Profile {
  if (!series) throw new Failure('usage', `${needs}, which a kernel without a series lacks`, { remedy })
  const { name, profile } = series
  if (!profile) throw new Failure('usage', `${needs}; the series '${name}' has no profile.yaml`, { remedy })
  const missing = (['BLKCOPY', 'limits'] as const).find((feature) => !offers(profile, feature))
  if (missing) throw new Failure('usage', `${needs}; ${profile.lacks[missing]}`, { remedy })
  return profile
}

export interface CopyBench {
  provided: ProvidedCell
  profile: Profile
  rounds: number
  signal: AbortSignal
  emit: Emit
}

/** @throws Failure('infra') */
export async function benchCopies(o: CopyBench): Promise<Pick<BenchReport, 'notes' | 'figures'>> {
  const { provided, profile, rounds, signal, emit } = o
  const measured = await withPrivateDirectory('copylab-', async (directory) => {
    const guest = await bootCell(provided, directory, { topology: benchTopology, signal, emit })
    const began = Date.now()
    emit({ type: 'step-started', step: 'bench', detail: `copies, ${rounds} times` })
    try {
      const note = (done: number, what: string) =>
        emit({ type: 'step-progress', step: 'bench', done, total: rounds, note: what })
      return await measureCopies(new CopyGuest(guest, signal), { profile, rounds, note })
    } finally {
      await guest.kill()
      emit({ type: 'step-finished', step: 'bench', cached: false, ms: Date.now() - began })
    }
  })
  return { notes: notesOf(measured, provided.facts.machine.accel), figures: copyFigures(measured.samples) }
}

function notesOf({ blocks, withoutOffload }: CopyMeasurement, accel: 'kvm' | 'tcg'): string[] {
  return [
    'What emulation can show: how many bytes go over the link and how many commands it takes, as QEMU has traced them, ' +
      "and what of the guest's CPU time is spared. What it cannot: how long a copy takes, since QEMU copies inside of the " +
      'page cache of the host, with no link and no flash behind its devices. Compare times with each other only.' +
      (accel === 'tcg' ? " Under TCG the times are mostly those of the guest's own code, emulated." : ''),
    'dd is pread and pwrite with O_DIRECT in one process, with the block size that was best for a copy of 16 MiB: ' +
      `${[...blocks].map(([route, block]) => `${showBytes(block)} for ${route}`).join(', ')}. kcopyd is dm-mirror that ` +
      "brings its second leg up to date, one region as large as the copy, with the queues' limits at 0; the time " +
      'begins when the mirror is resumed.',
    "SCSI units are LIO's in the guest: their link is the one between initiator and target, and its bytes are LIO's own " +
      'counts, in whole MiB. What LIO does with its disks is in the CPU time.',
    ...[...withoutOffload].map(([route, why]) => `No offload for ${route}: ${why}.`),
  ]
}
