// Each witness, fed what is not so, must refuse; a witness that cannot fail proves nothing.
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { readsBack } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** A copy that falls back on every series: what is true of it does not depend on the profile. */
async function fallback({ disk, copy, pattern }: CaseTools) {
  const [from, to] = [await disk('nocopy'), await disk('scsi0')]
  const data = pattern(KiB(64))
  await from.write(0, data)
  const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(1)), bytes: KiB(64) })
  return { from, to, data, call }
}

kernelCase(
  'control/001',
  'the guest refuses wrong counts, a wrong errno and a wrong way',
  {},
  async (tools) => {
    const { proof } = tools
    const { from, to, data, call } = await fallback(tools)
    const half = call.requests.map((request) => ({ ...request, bytes: KiB(32) }))
    expect(() => proof.guest({ ...call, requests: half }).moved()).toThrow(
      /guest: copied is 65536, not 32768/,
    )
    expect(() => proof.guest(call).moved('offload')).toThrow(/guest: offloaded is 0, not 65536/)
    expect(() => proof.guest(call).refused('EIO')).toThrow(/guest: error is 0, not EIO/)
    expect(call.witnesses.guest).toBe(false)

    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'control/002',
  'the guest refuses tracepoints that are missing or tell of other ranges',
  { needs: ['tracepoints'] },
  async (tools) => {
    const { proof } = tools
    const { from, to, data, call } = await fallback(tools)
    const { traced = [] } = call
    expect(() => proof.guest({ ...call, traced: undefined }).moved()).toThrow(
      /guest: its tracepoints are missing/,
    )
    expect(() => proof.guest({ ...call, traced: [] }).moved()).toThrow(/guest: .* traced 0 bytes, not 65536/)
    const elsewhere = traced.map((copy) => ({ ...copy, destination: { ...copy.destination, sector: 0 } }))
    expect(() => proof.guest({ ...call, traced: elsewhere }).moved()).toThrow(/guest: .* is missing/)

    const results = [{ error: 'EIO', copied: '0', offloaded: '0' }]
    const refused = { ...call, results, traced: [], witnesses: { guest: false, device: false, host: false } }
    expect(() => proof.guest({ ...refused, traced: undefined }).refused('EIO')).toThrow(
      /guest: its tracepoints are missing/,
    )
    expect(() => proof.guest({ ...refused, traced }).refused('EIO')).toThrow(
      /guest: .* traced as copied by a call that was refused/,
    )
    const wrongReads = ['check bytes=512 differing=1 first=0']
    expect(() => proof.guest({ ...refused, wrongReads }).refused('EIO')).toThrow(/guest: check .* first=0/)
    expect(refused.witnesses.guest).toBe(false)
    proof.guest(refused).refused('EIO')
    expect(refused.witnesses.guest).toBe(true)
    expect(call.witnesses.guest).toBe(false)

    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'control/003',
  'the guest refuses bytes that read back wrong',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('nocopy')
    const [data, other] = [pattern(KiB(64)), pattern(KiB(64))]
    await ns.write(0, data)
    const request = { path: 'never' as const, from: ns.at(0), to: ns.at(MiB(1)), bytes: KiB(64) }
    const call = await copy(request, { after: [readsBack(ns.at(MiB(1)), other)] })
    expect(() => proof.guest(call).moved()).toThrow(/guest: check .* first=1048576/)
    expect(call.witnesses.guest).toBe(false)

    proof.guest({ ...call, wrongReads: [] }).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'control/004',
  'the devices refuse a trace that is not there',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('nocopy')
    const data = pattern(KiB(64))
    await ns.write(0, data)
    const request = { path: 'never' as const, from: ns.at(0), to: ns.at(MiB(1)), bytes: KiB(64) }
    const blind = await copy(request, { traceLog: '/nonexistent/qemu-trace.log' })
    expect(() => proof.device(blind).fellBack()).toThrow(/device: there is no trace/)
    expect(() => proof.device(blind).untouched()).toThrow(/device: there is no trace/)
    expect(blind.witnesses.device).toBe(false)

    // The same once more, with eyes open, speaks for both.
    const call = await copy(request)
    proof.guest(blind).fellBack()
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    blind.activity = call.activity
    proof.device(blind).fellBack()
    await proof.host(ns).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'control/005',
  'the devices refuse a Copy command too many, and one too few',
  {},
  async (tools) => {
    const { proof } = tools
    const { from, to, data, call } = await fallback(tools)
    const { activity } = call
    if (!activity) throw new Error('no trace of the devices')
    const extra = {
      ...activity,
      copies: [{ disk: 'large', ranges: 1, format: 0, bytes: 512 }],
      copySources: [{ disk: 'large', offset: 0, bytes: 512 }],
      copyDestinations: [{ disk: 'large', offset: 1024, bytes: 512 }],
    }
    expect(() => proof.device({ ...call, activity: extra }).fellBack()).toThrow(
      /device: Copy destinations of large: 1024\+512 is too much/,
    )
    expect(() => proof.device(call).moved('offload')).toThrow(
      /device: Copy sources of nocopy: 0\+65536 is missing/,
    )
    expect(() => proof.device(call).untouched()).toThrow(/device: was written to: scsi0 1048576/)
    const unwritten = { ...activity, writes: activity.writes.slice(1) }
    expect(() => proof.device({ ...call, activity: unwritten }).fellBack()).toThrow(
      /written over the link .* is missing/,
    )
    expect(call.witnesses.device).toBe(false)

    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'control/006',
  'the host refuses a single byte changed outside of the destination',
  {},
  async (tools) => {
    const { proof } = tools
    const { from, to, data, call } = await fallback(tools)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()

    const place = to.bytes - 1
    const file = await open(to.path, 'r+')
    try {
      const byte = Buffer.alloc(1)
      await file.read(byte, 0, 1, place)
      await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, place)
      await expect(proof.host(to).changedOnly(MiB(1), data)).rejects.toThrow(
        `host: scsi0: 1 bytes are wrong, the first at ${place}`,
      )
      expect(call.witnesses.host).toBe(false)
      await file.write(byte, 0, 1, place)
    } finally {
      await file.close()
    }
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

kernelCase('control/007', 'the host refuses other data, and data in another place', {}, async (tools) => {
  const { proof, pattern } = tools
  const { from, to, data, call } = await fallback(tools)
  proof.guest(call).fellBack()
  proof.device(call).fellBack()
  const before = to.backing.expectedAt(MiB(1), KiB(128))
  await expect(proof.host(to).unchanged()).rejects.toThrow(
    `host: scsi0: ${65_536 - same(before, data.data)} bytes are wrong, the first at ${MiB(1)}: data 1 of the case, from byte 0`,
  )
  await expect(proof.host(to).changedOnly(MiB(1), pattern(KiB(64)))).rejects.toThrow(
    /host: scsi0: .* bytes are wrong/,
  )
  await expect(proof.host(to).changedOnly(MiB(1) + KiB(64), data)).rejects.toThrow(
    /host: scsi0: .* bytes are wrong/,
  )
  expect(call.witnesses.host).toBe(false)

  to.backing.expect(MiB(1), before)
  await proof.host(to).changedOnly(MiB(1), data)
  await proof.host(from).unchanged()
})

/** Bytes that two buffers happen to have in common. */
function same(a: Buffer, b: Buffer): number {
  return b.reduce((count, byte, index) => count + Number(a[index] === byte), 0)
}

kernelCase('control/008', 'a case that leaves a witness out fails', {}, async (tools) => {
  const { proof, session } = tools
  await expect(session.requireEvidence()).rejects.toThrow('ran without evidence: the case has made no copy')
  const { from, to, data, call } = await fallback(tools)
  await expect(session.requireEvidence()).rejects.toThrow(/copy 1 was not borne out by guest, device, host/)
  proof.guest(call).fellBack()
  proof.device(call).fellBack()
  await proof.host(to).changedOnly(MiB(1), data)
  // The source is a disk of its own, and nobody has looked at it yet.
  await expect(session.requireEvidence()).rejects.toThrow(/copy 1 was not borne out by host/)
  await proof.host(from).unchanged()
})

kernelCase(
  'control/009',
  'the devices refuse a trace that is there and does not work',
  {},
  async ({ disk, copy, proof }) => {
    const ns = await disk('large')
    const request = { path: 'never' as const, from: ns.at(0), to: ns.at(MiB(8)), bytes: 0 }
    const directory = await mkdtemp(join(tmpdir(), 'copylab-control-'))
    try {
      const traceLog = join(directory, 'qemu-trace.log')
      await writeFile(traceLog, '')
      const blind = await copy(request, { traceLog })
      expect(() => proof.device(blind).untouched()).toThrow(/device: there is no trace/)
      expect(blind.witnesses.device).toBe(false)

      // The same once more, with eyes open, speaks for both.
      const call = await copy(request)
      proof.guest(blind).refused('EINVAL')
      proof.guest(call).refused('EINVAL')
      proof.device(call).untouched()
      blind.activity = call.activity
      proof.device(blind).untouched()
    } finally {
      await rm(directory, { recursive: true })
    }
    await proof.host(ns).unchanged()
  },
)

kernelCase('control/010', 'the host refuses a byte that changes after it has looked', {}, async (tools) => {
  const { proof, session } = tools
  const { from, to, data, call } = await fallback(tools)
  proof.guest(call).fellBack()
  proof.device(call).fellBack()
  await proof.host(to).changedOnly(MiB(1), data)
  await proof.host(from).unchanged()
  await session.requireEvidence()

  const file = await open(to.path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, 0)
    await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, 0)
    await expect(session.requireEvidence()).rejects.toThrow(
      /host: after the last look, scsi0: 1 bytes are wrong, the first at 0/,
    )
    // As it was: written to since, and right.
    await file.write(byte, 0, 1, 0)
  } finally {
    await file.close()
  }
})
