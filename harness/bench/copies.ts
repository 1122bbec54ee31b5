/** Offload against fallback inside of one namespace, by the clock of the guest and the trace of the device. */
import { readFile, stat } from 'node:fs/promises'
import type { Guest } from '../../qemu/guest.ts'
import { quoted } from '../../qemu/lost.ts'
import { type DeviceActivity, parseDeviceTrace, type TracedDisk } from '../evidence/device-trace.ts'
import { totalBytes } from '../evidence/ranges.ts'
import { Failure } from '../failure.ts'
import type { Feature, Path, Profile } from '../series/profile.ts'
import { offers } from '../series/resolve.ts'
import { type Figure, figure, median, quotients } from './figures.ts'

/** tests/guest/blkcopy.c in the guest. */
const copyTool = '/bin/blkcopy'
/** The namespace of the default topology whose limits make up for the fewest commands. */
const diskName = 'large'
/** Of a copy, in bytes. */
export const copySizes = [4 * 1024, 64 * 1024, 1024 * 1024, 8 * 1024 * 1024]
/** Copies of one size and way in a row, each of them a sample. */
const repetitions = 5
/** A command that takes longer is a hung guest. */
const timeoutMs = 60_000

type MeasuredGuest = Pick<Guest, 'disks' | 'traceLog' | 'exec'>

export type Way = 'offload' | 'fallback'

/** What came of the copies of one size and way in one round. */
export interface CopySample {
  bytes: number
  way: Way
  /** Milliseconds in the ioctl, one each. */
  ms: number[]
  /** Bytes over the link per byte copied. */
  link: number
}

/**
 * Throws a usage Failure when a series does not offer what a copy is timed with.
 * @param also what else it takes on this machine
 */
export function requireCopies(profile: Profile, also: readonly Path[] = []): void {
  const needed: Feature[] = ['BLKCOPY', 'limits', 'nvme-same-namespace', ...also]
  const missing = needed.find((feature) => !offers(profile, feature))
  if (!missing) return
  const onNodes = also.length ? '; this QEMU has every namespace behind a multipath node' : ''
  throw new Failure('usage', `bench compares offload with fallback; ${profile.lacks[missing]}${onNodes}`, {
    remedy,
  })
}

/** For who has nothing to compare. */
export const remedy = 'use a series that offloads copies inside of a namespace; --cold needs none'

/**
 * Copies of every size both ways, in turn. The fallback is forced by a limit of 0.
 * @throws Failure('usage') when the series does not offload on such a disk, Failure('infra') when a copy fails or does
 * not go the way it should
 */
export async function measureCopies(
  guest: MeasuredGuest,
  { profile, fallbackFirst, signal }: { profile: Profile; fallbackFirst: boolean; signal: AbortSignal },
): Promise<CopySample[]> {
  const disk = guest.disks.get(diskName)
  if (!disk) throw new Error(`the topology has no disk '${diskName}'`)
  requireCopies(profile, disk.multipath ? ['nvme-multipath'] : [])
  const largest = Math.max(...copySizes)
  const file = `/sys/class/block/${disk.device.slice('/dev/'.length)}/queue/${profile.sysfs.limit}`
  const run = async (...words: string[]) => {
    const argv = [copyTool, ...words]
    const { status, stdout, stderr } = await guest.exec(argv, { timeoutMs, signal })
    if (status === 0) return stdout.toString()
    throw new Failure('infra', `in the guest: ${stderr.toString().trim()} (exit status ${status})`, {
      command: quoted(argv),
    })
  }
  const fill = ['fill', disk.device, '0', String(largest), '1', '0']
  const prepared = await run(...fill, ',', 'flush', disk.device, ',', 'get', file)
  const usual = prepared.trimEnd().split('\n').at(-1) ?? ''

  const traced = tracedDisks(guest)
  const measure = async (bytes: number, way: Way): Promise<CopySample> => {
    const position = (await stat(guest.traceLog)).size
    const one = ['copy', '--time', disk.device, '0', disk.device, String(largest), String(bytes)]
    const copies = Array.from({ length: repetitions }, () => [',', ...one]).flat()
    const output = await run('set', file, way === 'fallback' ? '0' : usual, ...copies)
    const trace = (await readFile(guest.traceLog)).toString('utf8', position)
    return {
      bytes,
      way,
      ms: parseTimes(output, bytes, way),
      link: linkBytes(parseDeviceTrace(trace, traced), diskName) / (bytes * repetitions),
    }
  }
  const ways: Way[] = fallbackFirst ? ['fallback', 'offload'] : ['offload', 'fallback']
  // Once without looking at the clock: blocks of the image are allocated, and the emulator has translated the code.
  for (const way of ways) await measure(largest, way)
  const samples: CopySample[] = []
  for (const bytes of copySizes) for (const way of ways) samples.push(await measure(bytes, way))
  return samples
}

/** Milliseconds of each copy. Throws an infra Failure for one that did not do what was wanted: its time says nothing. */
export function parseTimes(output: string, bytes: number, way: Way): number[] {
  const results = [...output.matchAll(/^result (error=(\w+) copied=(\d+) offloaded=(\d+)) ns=(\d+)$/gm)]
  if (results.length !== repetitions)
    throw new Error(`the guest's tool gave ${results.length} results for ${repetitions} copies:\n${output}`)
  return results.map(([, all, error, copied, offloaded, ns]) => {
    const wanted = way === 'offload' ? bytes : 0
    if (error !== '0' || Number(copied) !== bytes || Number(offloaded) !== wanted) {
      throw new Failure('infra', `a copy of ${bytes} bytes by ${way} is not one: ${all}`, {
        command: 'copylab run nvme/001',
        remedy: 'timing a series makes sense when its cases pass',
      })
    }
    return Number(ns) / 1e6
  })
}

/**
 * Bytes over the link to and from a disk: data of reads and writes, and the lists of ranges that Copy commands fetch,
 * whose entries have 32 bytes in formats 0 and 2, 40 in 1 and 3 (NVM Command Set Specification, Copy command).
 */
export function linkBytes({ copies, reads, writes }: DeviceActivity, disk: string): number {
  const lists = copies.map((copy) => ({
    disk: copy.disk,
    bytes: copy.ranges * (copy.format % 2 ? 40 : 32),
  }))
  const data = [...reads, ...writes].filter(({ carriesData }) => carriesData)
  return totalBytes([...lists, ...data].filter((transfer) => transfer.disk === disk))
}

function tracedDisks(guest: MeasuredGuest): TracedDisk[] {
  const disks = [...guest.disks.values()]
  // qemu/argv.ts: SCSI units hang on one bus and have their place in the topology for a LUN.
  const units = disks.filter(({ kind }) => kind === 'scsi')
  return disks.map((disk): TracedDisk => {
    const { name, blockSize, nsid } = disk
    if (nsid !== undefined) return { name, blockSize, kind: 'nvme', nsid }
    return { name, blockSize, kind: 'scsi', target: 0, lun: units.indexOf(disk) }
  })
}

/** @param rounds what `measureCopies` gave in each round */
export function copyFigures(rounds: readonly CopySample[][]): Figure[] {
  return copySizes.flatMap((bytes) => {
    const of = (way: Way) => rounds.flat().filter((sample) => sample.bytes === bytes && sample.way === way)
    const times = (way: Way) => of(way).flatMap(({ ms }) => ms)
    const medians = (way: Way) => of(way).map(({ ms }) => median(ms))
    const links = (way: Way) => of(way).map(({ link }) => link)
    const id = `copy.${bytes}`
    const what = `copy of ${bytes} bytes`
    return [
      figure(`${id}.offload`, `${what}, offload`, 'ms', times('offload')),
      figure(`${id}.fallback`, `${what}, fallback`, 'ms', times('fallback')),
      figure(
        `${id}.ratio`,
        `${what}, offload ÷ fallback`,
        'ratio',
        quotients(medians('offload'), medians('fallback')),
      ),
      figure(`${id}.link-offload`, `${what}, link bytes a byte, offload`, 'ratio', links('offload')),
      figure(`${id}.link-fallback`, `${what}, link bytes a byte, fallback`, 'ratio', links('fallback')),
    ]
  })
}
