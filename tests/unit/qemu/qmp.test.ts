import { createInterface } from 'node:readline'
import { Duplex, duplexPair } from 'node:stream'
import { expect, test } from 'vitest'
import { QmpClient, type QmpEvent } from '../../../qemu/qmp.ts'

/** A client and the script of the QEMU that it talks to. */
function scripted(answer: (request: { execute: string; id: number }) => object[]): {
  client: QmpClient
  qemu: Duplex
} {
  const [here, qemu] = duplexPair()
  qemu.write('{"QMP": {"version": {}, "capabilities": []}}\n')
  createInterface({ input: qemu }).on('line', (line) => {
    for (const reply of answer(JSON.parse(line))) qemu.write(`${JSON.stringify(reply)}\n`)
  })
  return { client: new QmpClient(here), qemu }
}

test('answers reach their commands, errors and events too', async () => {
  const { client } = scripted(({ execute, id }) => {
    if (execute === 'query-status')
      return [
        { event: 'STOP', data: { a: 1 } },
        { return: { status: 'running' }, id },
      ]
    if (execute === 'nosuch') return [{ error: { class: 'CommandNotFound', desc: 'not found' }, id }]
    return [{ return: {}, id }]
  })
  const events: QmpEvent[] = []
  client.onEvent((event) => events.push(event))
  await client.ready
  expect(await client.execute('query-status')).toEqual({ status: 'running' })
  expect(events).toEqual([{ event: 'STOP', data: { a: 1 } }])
  await expect(client.execute('nosuch')).rejects.toThrow('CommandNotFound: not found')
})

test('a monitor that goes away rejects what is under way and what comes after', async () => {
  const { client, qemu } = scripted(({ execute, id }) => (execute === 'quit' ? [] : [{ return: {}, id }]))
  await client.ready
  const pending = client.execute('quit')
  qemu.end()
  await expect(pending).rejects.toThrow('QEMU closed its monitor')
  await expect(client.execute('stop')).rejects.toThrow('QEMU closed its monitor')
})

test('a broken stream rejects instead of ending the process', async () => {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const client = new QmpClient(stream)
  stream.destroy(new Error('read ECONNRESET'))
  await expect(client.ready).rejects.toThrow('ECONNRESET')
})

test('what is not JSON is an error that shows it', async () => {
  const { client, qemu } = scripted(() => [])
  qemu.write('Segmentation fault\n')
  await expect(client.ready).rejects.toThrow('Segmentation fault')
})
