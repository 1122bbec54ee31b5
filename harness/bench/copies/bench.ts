/** The bench of copies: a guest with large namespaces, all routes and ways, and what has to be said of the figures. */
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { withPrivateDirectory } from '../../../qemu/private-directory.ts'
import { checkRoom } from '../../cache/room.ts'
import type { Emit } from '../../events.ts'
import { Failure } from '../../failure.ts'
import { bootCell, type ProvidedCell } from '../../run/cell.ts'
import type { Series } from '../../series/load.ts'
import type { Profile } from '../../series/profile.ts'
import { offers } from '../../series/resolve.ts'
import type { BenchReport } from '../figures.ts'
import { showRounds } from '../table.ts'
import { type Choice, withKernel } from './choice.ts'
import { copyFigures } from './figures.ts'
import { CopyGuest } from './guest.ts'
import { type CopyMeasurement, measureCopies } from './measure.ts'
import { enough, leastBusyMs } from './sample.ts'
import { showBytes } from './table.ts'
import { benchTopology } from './topology.ts'

const MiB = 1024 * 1024

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

/** What QEMU traces in a round of thousands of commands. */
const traceBytes = 64 * MiB

/**
 * The files behind the disks take as much room as is copied: from one half of a namespace to the other, and to a second one.
 * @throws Failure('infra')
 */
export async function checkCopyRoom({ sizes }: Choice, rounds: number): Promise<void> {
  const bytes = 3 * Math.max(...sizes) + rounds * traceBytes
  const remedy = 'make room there, set TMPDIR to a directory on a larger disk, or give smaller --sizes'
  await checkRoom(tmpdir(), bytes, 'the disks of a bench of copies need', remedy)
}

export interface CopyBench {
  provided: ProvidedCell
  profile: Profile
  choice: Choice
  rounds: number
  signal: AbortSignal
  emit: Emit
}

/** @throws Failure */
export async function benchCopies(o: CopyBench): Promise<Pick<BenchReport, 'notes' | 'figures'>> {
  const { provided, profile, rounds, signal, emit } = o
  const config = new Set(readFileSync(provided.kernelConfig, 'utf8').split('\n'))
  const choice = withKernel(o.choice, (option) => config.has(`${option}=y`))
  for (const message of choice.notes) emit({ type: 'note', message })
  const measured = await withPrivateDirectory('copylab-', async (directory) => {
    const guest = await bootCell(provided, directory, { topology: benchTopology, signal, emit })
    const began = Date.now()
    emit({ type: 'step-started', step: 'bench', detail: `copies, ${showRounds(rounds)}` })
    try {
      const note = (done: number, total: number, what: string) =>
        emit({ type: 'step-progress', step: 'bench', done, total, note: what })
      const all = await measureCopies(new CopyGuest(guest, signal), { profile, rounds, choice, note })
      emit({ type: 'step-finished', step: 'bench', cached: false, ms: Date.now() - began })
      return all
    } finally {
      await guest.kill()
    }
  })
  const { accel } = provided.facts.machine
  return { notes: [...notesOf(measured, accel), ...choice.notes], figures: copyFigures(measured.samples) }
}

function notesOf({ samples, prepared }: CopyMeasurement, accel: 'kvm' | 'tcg'): string[] {
  return [
    'What emulation can show: how many bytes go over the link and how many commands it takes, as QEMU has traced them, ' +
      "and what of the guest's CPU time is spared. What it cannot: how long a copy takes, since QEMU copies inside of the " +
      'page cache of the host, with no link and no flash behind its devices. Compare times with each other only.' +
      (accel === 'tcg' ? " Under TCG the times are mostly those of the guest's own code, emulated." : ''),
    'dd is pread and pwrite with O_DIRECT in one process, with the block size that was best for a copy of 16 MiB: ' +
      `${[...prepared].map(([route, { block }]) => `${showBytes(block)} for ${route}`).join(', ')}. kcopyd is dm-mirror that ` +
      "brings its second leg up to date, one region as large as the copy, with the queues' limits at 0; the time " +
      'begins when the mirror is resumed.',
    "SCSI units are LIO's in the guest: their link is the one between initiator and target, and its bytes are LIO's own " +
      'counts, in whole MiB, which the lists of EXTENDED COPY may not come to. What LIO does with its disks is in the CPU time.',
    ...(samples.some(({ cpu }) => cpu === null)
      ? [
          `There is no CPU time where that of a sample was below ${leastBusyMs} ms: the guest counts it in ticks of 10 ms.`,
        ]
      : []),
    ...(samples.some(({ link }) => link === null)
      ? [`There are no bytes over the link of SCSI units where a sample had less than ${showBytes(enough)}.`]
      : []),
    ...[...prepared].flatMap(([route, { withoutOffload: why }]) =>
      why === undefined ? [] : [`No offload for ${route}: ${why}.`],
    ),
  ]
}
