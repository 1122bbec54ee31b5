import { createHash, randomBytes } from 'node:crypto'
import { release } from 'node:os'
import { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { AgentChannel, type CommandOptions } from '../../../qemu/agent.ts'
import { localAgent } from './support.ts'

async function run(agent: AgentChannel, argv: string[], input?: Uint8Array, options: CommandOptions = {}) {
  const [stdout, stderr]: Buffer[][] = [[], []]
  const command = await agent.start(argv, {
    onStdout: (chunk) => void stdout?.push(chunk),
    onStderr: (chunk) => void stderr?.push(chunk),
    ...options,
  })
  if (input) void command.write(input)
  command.end()
  const status = await command.exited
  return { status, stdout: Buffer.concat(stdout ?? []), stderr: Buffer.concat(stderr ?? []) }
}

describe('the agent of the guest, run on the host', () => {
  test('says the kernel release first', async () => {
    expect(await (await localAgent()).hello).toBe(release())
  })

  test('keeps standard output, standard error and the status apart', async () => {
    const result = await run(await localAgent(), ['sh', '-c', 'echo out; echo err >&2; exit 7'])
    expect(result).toEqual({ status: 7, stdout: Buffer.from('out\n'), stderr: Buffer.from('err\n') })
  })

  test('reports signals, absent and unusable programs as sh does', async () => {
    const agent = await localAgent()
    expect((await run(agent, ['sh', '-c', 'kill -TERM $$'])).status).toBe(128 + 15)
    expect(await run(agent, ['/no/such'])).toMatchObject({ status: 127 })
    const denied = await run(agent, ['/etc/passwd'])
    expect(denied.status).toBe(126)
    expect(denied.stderr.toString()).toBe('/etc/passwd: Permission denied\n')
  })

  test('hands arguments over as they are, empty ones too', async () => {
    const { stdout } = await run(await localAgent(), ['printf', '[%s]', '', 'a b', '$HOME', "'"])
    expect(stdout.toString()).toBe("[][a b][$HOME][']")
  })

  test('carries input far larger than every buffer, and back', async () => {
    const data = randomBytes(8 * 1024 * 1024)
    const { status, stdout } = await run(await localAgent(), ['cat'], data)
    expect(status).toBe(0)
    expect(stdout.equals(data)).toBe(true)
  })

  test('drops input that the command does not read', async () => {
    expect((await run(await localAgent(), ['true'], randomBytes(1024 * 1024))).status).toBe(0)
  })

  test('holds a command back while its output is not consumed', async () => {
    const agent = await localAgent()
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const hash = createHash('sha256')
    const command = await agent.start(['head', '-c', '4194304', '/dev/zero'], {
      onStdout: (chunk) => {
        hash.update(chunk)
        return gate
      },
    })
    const early = await Promise.race([
      command.exited,
      new Promise((resolve) => setTimeout(resolve, 50, 'held')),
    ])
    expect(early).toBe('held')
    expect(agent.received).toBeLessThan(1024 * 1024)
    release()
    expect(await command.exited).toBe(0)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(Buffer.alloc(4194304)).digest('hex'))
  })

  test('runs more commands at once than the agent has places for', async () => {
    const agent = await localAgent()
    const results = await Promise.all(
      Array.from({ length: 80 }, (_, i) =>
        run(agent, ['sh', '-c', `cat; exit ${i}`], Buffer.from(`input ${i}`)),
      ),
    )
    expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 80 }, (_, i) => i))
    expect(results[79]?.stdout.toString()).toBe('input 79')
  })

  test('does not wait for a child that outlives the command', async () => {
    const { status, stdout } = await run(await localAgent(), ['sh', '-c', 'sleep 30 & echo done'])
    expect({ status, text: stdout.toString() }).toEqual({ status: 0, text: 'done\n' })
  })

  test('kills the whole process group', async () => {
    const agent = await localAgent()
    const command = await agent.start(['sh', '-c', 'sleep 30 | cat'])
    command.kill(9)
    expect(await command.exited).toBe(128 + 9)
  })

  test('gives a command a terminal of the right size', async () => {
    const agent = await localAgent()
    const terminal = { rows: 33, columns: 101 }
    const { status, stdout } = await run(agent, ['sh', '-c', 'stty size; test -t 2'], undefined, { terminal })
    expect({ status, text: stdout.toString() }).toEqual({ status: 0, text: '33 101\r\n' })
  })

  test('rejects what is running when the channel ends', async () => {
    const agent = await localAgent()
    const command = await agent.start(['sh', '-c', 'kill -KILL $PPID; sleep 30'])
    await expect(command.exited).rejects.toThrow('the agent channel was closed')
    await expect(agent.start(['true'])).rejects.toThrow('the agent channel was closed')
  })

  test('refuses what the protocol cannot carry', async () => {
    const agent = await localAgent()
    expect(() => agent.start([])).toThrow('1 to 1024 arguments')
    expect(() => agent.start(['x'.repeat(70_000)])).toThrow('65528 bytes in all')
    expect(() => agent.start(['a\0b'])).toThrow('NUL')
  })
})

describe('an agent that does not keep to the protocol', () => {
  const saying = (type: string, payload: Buffer) => {
    const header = Buffer.alloc(12)
    header.writeUInt32LE(type.charCodeAt(0), 0)
    header.writeUInt32LE(5, 4)
    header.writeUInt32LE(payload.length, 8)
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    stream.push(Buffer.concat([header, payload]))
    return new AgentChannel(stream)
  }

  test.each([
    ['H', Buffer.from([9, 0, 0, 0]), 'speaks protocol 9, not 1'],
    ['x', Buffer.alloc(4), "frame 'x' for unknown command 5"],
    ['o', Buffer.alloc(65537), 'a frame of 65537 bytes'],
  ])('is lost: %s', async (type, payload, message) => {
    const agent = saying(type, payload)
    expect((await agent.closed).message).toContain(message)
    await expect(agent.hello).rejects.toThrow(message)
  })
})
