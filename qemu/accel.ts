import { createHash } from 'node:crypto'
import { access, constants, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Emit } from '../harness/events.ts'
import { Failure } from '../harness/failure.ts'
import { findProgram } from './cc.ts'
import { withPrivateDirectory } from './private-directory.ts'
import { probePassed, probeRom } from './probe-rom.ts'

export interface AcceleratorOptions {
  wanted: 'auto' | 'kvm' | 'tcg'
  qemu: string
  /** Where the answer is remembered until the host boots again or QEMU changes. */
  stateDir: string
  emit?: Emit
  signal?: AbortSignal
  /** How long guest code may take under KVM; 0.2 s is usual. */
  deadlineMs?: number
  /** The KVM device; another one is for tests. */
  device?: string
}

export interface Accelerator {
  accel: 'kvm' | 'tcg'
  /** One line for the user. */
  reason: string
}

/** `works`, or why not. */
interface Proof {
  works: boolean
  reason: string
}

/**
 * Chooses the accelerator. `auto` is kvm only where guest code was seen to run under it: /dev/kvm may be there, open
 * and create a vCPU, and still never get through a guest's boot. Throws an infra Failure when there is no QEMU, or
 * when kvm was asked for and does not work.
 */
export async function chooseAccelerator(options: AcceleratorOptions): Promise<Accelerator> {
  const { wanted, emit } = options
  const qemu = await findQemu(options.qemu)
  if (wanted === 'tcg') return { accel: 'tcg', reason: 'tcg was asked for' }
  const proof = await provenBefore(qemu, options)
  if (proof.works) return { accel: 'kvm', reason: proof.reason }
  if (wanted === 'kvm') {
    throw new Failure('infra', `kvm does not work here: ${proof.reason}`, {
      remedy: 'use --accel tcg, or auto, which falls back to it; it is slower and needs nothing of the host',
    })
  }
  const reason = `tcg, since kvm does not work here: ${proof.reason}`
  emit?.({ type: 'note', message: reason })
  return { accel: 'tcg', reason }
}

/** QEMU's version, e.g. `7.2.22`, remembered as long as the binary does not change. */
export async function qemuVersion(options: { qemu: string; stateDir: string }): Promise<string> {
  const qemu = await findQemu(options.qemu)
  return remembered(options.stateDir, 'qemu-version', await identity(qemu), async () => {
    const { stdout } = await execa(qemu, ['--version'], { reject: false })
    const version = /version (\d+(?:\.\d+)+)/.exec(stdout)?.[1]
    if (!version)
      throw new Failure('infra', `${qemu} does not tell its version`, { command: `${qemu} --version` })
    return version
  })
}

async function findQemu(name: string): Promise<string> {
  const path = await findProgram(name)
  if (path) return path
  throw new Failure('infra', `there is no ${name}`, {
    remedy: 'install qemu-system-x86, or name the binary with --qemu',
  })
}

async function provenBefore(qemu: string, options: AcceleratorOptions): Promise<Proof> {
  const { stateDir, device = '/dev/kvm' } = options
  // Permissions may change at any time, and looking costs nothing.
  const closed = await access(device, constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? `there is no ${device}` : `no access to ${device}`,
  )
  if (closed) return { works: false, reason: closed }
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  return remembered(stateDir, 'kvm', { ...(await identity(qemu)), bootId, device }, () =>
    prove(qemu, options),
  )
}

/** Runs the probe ROM under KVM. */
async function prove(qemu: string, { deadlineMs = 2000, signal }: AcceleratorOptions): Promise<Proof> {
  return withPrivateDirectory('copylab-kvm-', async (directory) => {
    const rom = join(directory, 'probe.rom')
    await writeFile(rom, probeRom())
    const machine = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-machine', 'q35']
    const argv = [
      ...machine,
      '-accel',
      'kvm',
      '-cpu',
      'host',
      '-bios',
      rom,
      '-device',
      'isa-debug-exit,iobase=0xf4',
    ]
    const { exitCode, timedOut, stderr } = await execa(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', qemu, ...argv],
      {
        reject: false,
        timeout: deadlineMs,
        killSignal: 'SIGKILL',
        stdin: 'ignore',
        ...(signal && { cancelSignal: signal }),
      },
    )
    signal?.throwIfAborted()
    if (timedOut)
      return { works: false, reason: `a guest program of 0.1 s did not end within ${deadlineMs} ms` }
    if (exitCode === probePassed) return { works: true, reason: 'kvm, a guest program ran under it' }
    const said = stderr.trim().split('\n').at(-1)
    return {
      works: false,
      reason: `a guest program failed (exit status ${exitCode})${said ? `: ${said}` : ''}`,
    }
  })
}

/** What says that a binary is still the same one. */
async function identity(program: string): Promise<object> {
  const { size, mtimeMs } = await stat(program)
  return { program, size, mtimeMs }
}

/** The answer kept in `stateDir` for this key, or a new one. A damaged file is as good as none. */
async function remembered<T>(stateDir: string, name: string, key: object, ask: () => Promise<T>): Promise<T> {
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16)
  const file = join(stateDir, `${name}-${hash}.json`)
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T
  } catch {
    const answer = await ask()
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    const temporary = `${file}.${process.pid}.tmp`
    await writeFile(temporary, JSON.stringify(answer))
    await rename(temporary, file)
    return answer
  }
}
