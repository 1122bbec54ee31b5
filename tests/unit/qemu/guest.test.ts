import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { bootGuest, type Guest, type GuestOptions } from '../../../qemu/guest.ts'
import { runCommand } from '../../../qemu/shell.ts'
import { agentProgram, script, temporaryDirectory } from './support.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

/** Options for a guest without disks whose QEMU is a script; $console is its console's log. */
function machine(body: string): GuestOptions {
  const directory = temporaryDirectory()
  const qemu = script(directory, 'qemu', `console='${directory}/console.log'; : > "$console"\n${body}`)
  return {
    kernel: '/k',
    initrd: '/i',
    topology: { name: 'none', nvme: [], scsi: [] },
    machine: { qemu, qemuVersion: '0', accel: 'tcg', cpus: 1, memoryMiB: 64 },
    directory,
  }
}

/** A QEMU whose guest is the agent on this host. */
async function answering(): Promise<GuestOptions> {
  return machine(`'${await agentProgram()}' --serve 4`)
}

async function boot(options: GuestOptions): Promise<Guest> {
  const guest = await bootGuest(options)
  onTestFinished(() => guest.kill())
  return guest
}

const gone = (pid: number) => {
  try {
    // A zombie is gone as well; nobody may be there to collect it.
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

test('a guest runs commands, streams their output and is killed without leftovers', async () => {
  const guest = await boot(await answering())
  expect(guest.release).toBe(release())
  const seen: string[] = []
  const onStdout = (chunk: Buffer) => void seen.push(chunk.toString())
  const result = await guest.exec(['sh', '-c', 'cat; exit 3'], { input: 'text', onStdout })
  expect(result).toEqual({ status: 3, stdout: Buffer.from('text'), stderr: Buffer.alloc(0) })
  expect(seen.join('')).toBe('text')
  expect(await guest.trouble()).toBeUndefined()
  await guest.kill()
  expect(gone(guest.pid)).toBe(true)
  await expect(guest.exec(['true'])).rejects.toThrow('the guest was shut down')
})

test('a QEMU that ends at once is lost with what it said and the command to repeat it', async () => {
  const lost = bootGuest(machine('echo "qemu: no such machine" >&2; exit 1'))
  await expect(lost).rejects.toMatchObject({
    name: 'GuestLost',
    reason: 'exited',
    message: 'QEMU ended (exit status 1): qemu: no such machine',
    command: expect.stringContaining('-kernel /k'),
  })
})

test('a panic on the console is the reason', async () => {
  const lost = bootGuest(machine('echo "[  1.0] Kernel panic - not syncing: VFS" >> "$console"; exit 0'))
  await expect(lost).rejects.toMatchObject({
    reason: 'panic',
    message: "the guest's kernel panicked: Kernel panic - not syncing: VFS",
    consoleTail: '[  1.0] Kernel panic - not syncing: VFS',
  })
})

test('an agent that never speaks is a boot timeout, and QEMU is ended', async () => {
  const options = machine('echo $$ > "$console.pid"; exec sleep 30')
  await expect(bootGuest({ ...options, bootTimeoutMs: 300 })).rejects.toMatchObject({
    reason: 'boot-timeout',
  })
  expect(gone(Number(readFileSync(join(options.directory, 'console.log.pid'), 'utf8')))).toBe(true)
})

test('a guest that was let run and never speaks hangs', async () => {
  const options = machine('echo "[ 1.0] WARNING: x" > "$console"; while :; do :; done')
  await expect(bootGuest({ ...options, bootTimeoutMs: 1500 })).rejects.toMatchObject({
    reason: 'hung',
    splat: '[ 1.0] WARNING: x',
  })
})

test('a guest that does nothing while its QEMU is well hangs, too', async () => {
  const answer = `'{"return": {"status": "running", "running": true}, "id": '`
  const loop = `while read -r line <&3; do id=\${line##*:}; echo ${answer}\${id%\\}}'}' >&3; done`
  const options = machine(loop)
  await expect(bootGuest({ ...options, bootTimeoutMs: 1500 })).rejects.toMatchObject({ reason: 'hung' })
})

test('a reset without a message is the kernel’s, as the monitor says it with its last word', async () => {
  const event = '{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}'
  const lost = bootGuest(machine(`read -r negotiation <&3; echo '${event}' >&3; exit 0`))
  await expect(lost).rejects.toMatchObject({
    reason: 'panic',
    message: expect.stringContaining('guest-reset'),
  })
})

test('an abort during the boot rejects with its reason', async () => {
  const controller = new AbortController()
  const booting = bootGuest({ ...machine('exec sleep 30'), signal: controller.signal })
  setTimeout(() => controller.abort(new Error('interrupted')), 100)
  await expect(booting).rejects.toThrow('interrupted')
})

test('an aborted command is killed and the guest stays usable', async () => {
  const guest = await boot(await answering())
  const aborted = guest.exec(['sleep', '30'], { signal: AbortSignal.timeout(50) })
  await expect(aborted).rejects.toThrow('timeout')
  expect((await guest.exec(['true'])).status).toBe(0)
})

test('a command that takes too long loses the guest', async () => {
  const guest = await boot(await answering())
  const message = "'sleep 30' was still running in the guest after 100 ms"
  await expect(guest.exec(['sleep', '30'], { timeoutMs: 100 })).rejects.toMatchObject({
    reason: 'hung',
    message,
  })
  expect(guest.alive).toBe(false)
  expect(await guest.trouble()).toBe(message)
})

test('a QEMU that is killed rejects what is running', async () => {
  const guest = await boot(await answering())
  const running = guest.exec(['sleep', '30'])
  process.kill(guest.pid, 'SIGKILL')
  await expect(running).rejects.toMatchObject({ reason: 'exited', message: 'QEMU ended (signal SIGKILL)' })
})

test('a splat on the console is trouble', async () => {
  const options = await answering()
  const guest = await boot(options)
  await guest.exec(['sh', '-c', `echo '[ 9.0] BUG: KASAN: x' >> '${guest.consoleLog}'`])
  expect(await guest.trouble()).toBe('[ 9.0] BUG: KASAN: x')
})

test('QEMU dies with the process that started it', async () => {
  const directory = temporaryDirectory()
  const pidFile = join(directory, 'pid')
  const qemu = script(
    directory,
    'qemu',
    `echo $$ > '${pidFile}.new'; mv '${pidFile}.new' '${pidFile}'; exec sleep 30`,
  )
  const starter = fileURLToPath(new URL('start-qemu.ts', import.meta.url))
  const child = execFile(process.execPath, ['--import', 'tsx', starter, qemu, directory])
  onTestFinished(() => void child.kill('SIGKILL'))
  await expect.poll(() => existsSync(pidFile), { timeout: 5000 }).toBe(true)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  expect(gone(pid)).toBe(false)
  child.kill('SIGKILL')
  await expect.poll(() => gone(pid), { timeout: 2000 }).toBe(true)
})

test('runCommand streams, hands the status through and ends as SIGPIPE when nobody reads', async () => {
  const guest = await boot(await answering())
  const written: Buffer[] = []
  const sink = () =>
    new Writable({
      write: (chunk, _encoding, done) => {
        written.push(chunk)
        done()
      },
    })
  const closed = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) })
  const { stdin } = process
  const argv = ['sh', '-c', 'echo hello && exit 9']
  expect(await runCommand(guest, argv, { stdin, stdout: sink(), stderr: sink() })).toBe(9)
  expect(Buffer.concat(written).toString()).toBe('hello\n')
  expect(await runCommand(guest, ['yes'], { stdin, stdout: closed, stderr: sink() })).toBe(128 + 13)
})
