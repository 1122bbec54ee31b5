// The witnesses of stacked devices, of devices in the guest's memory and of copies that were killed must refuse, too.
import { open } from 'node:fs/promises'
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { crypt, linear } from '../fixtures/rows.ts'
import type { Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { Volume } from '../fixtures/volume.ts'

/** Takes back what a proof was told to expect, so that another one can be asked. */
function forget(target: Target, offset: number, bytes: number): () => void {
  const before = target.map(offset, bytes).map((one) => ({
    ...one,
    data: one.medium?.backing.expectedAt(one.offset, one.bytes) ?? Buffer.alloc(0),
  }))
  return () => {
    for (const { medium, offset, data } of before) medium?.backing.expect(offset, data)
  }
}

/** A copy on null_blk that falls back on every series, since it takes no copies. */
async function inMemory({ session, copy, pattern }: CaseTools) {
  const nb = await session.nullBlk({ bytes: MiB(4) })
  const data = pattern(KiB(64))
  await nb.write(0, data)
  const call = await copy({ path: 'never', from: nb.at(0), to: nb.at(MiB(1)), bytes: KiB(64) })
  return { nb, data, call }
}

kernelCase(
  'control/021',
  'a disk in memory that is read back is refused for other data, another place, a byte besides',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async (tools) => {
    const { proof, pattern, session } = tools
    const { nb, data, call } = await inMemory(tools)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    const restore = forget(nb, MiB(1), KiB(128))
    await expect(proof.host(nb).unchanged()).rejects.toThrow(
      /host: nullblk\d+: .* the first at 1048576: data 1 of the case, from byte 0/,
    )
    await expect(proof.host(nb).changedOnly(MiB(1), pattern(KiB(64)))).rejects.toThrow(/host: nullblk/)
    restore()
    await expect(proof.host(nb).changedOnly(MiB(1) + KiB(64), data)).rejects.toThrow(/host: nullblk/)
    restore()
    expect(call.witnesses.host).toBe(false)

    const place = nb.bytes - 4
    const other = pattern(4)
    const write = (from: typeof other) =>
      session.must(['/bin/blkcopy', 'fill', nb.device, ...[place, 4, from.seed, from.from].map(String)])
    const was = nb.backing.expectedAt(place, 4)
    await write(other)
    await expect(proof.host(nb).changedOnly(MiB(1), data)).rejects.toThrow(
      `bytes are wrong, the first at ${place + firstDifference(was, other.data)}`,
    )
    await write(nb.pristine.part(place, 4))
    await proof.host(nb).changedOnly(MiB(1), data)
  },
)

function firstDifference(a: Buffer, b: Buffer): number {
  return a.findIndex((byte, index) => byte !== b[index])
}

kernelCase(
  'control/022',
  'the requests of a disk in memory are refused when they are none, too many or of another way',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async (tools) => {
    const { proof } = tools
    const { nb, data, call } = await inMemory(tools)
    const { activity } = call
    if (!activity) throw new Error('no trace of the devices')
    const range = { disk: nb.name, offset: MiB(1), bytes: KiB(64) }
    const copied = {
      ...activity,
      copies: [{ disk: nb.name, ranges: 1, format: 0, bytes: range.bytes, sourcesUnseen: true as const }],
      copyDestinations: [range],
    }
    const seen = (change: Partial<typeof activity>) =>
      proof.device({ ...call, activity: { ...activity, ...change } })
    expect(() => proof.device({ ...call, activity: undefined }).fellBack()).toThrow(
      /device: there is no trace/,
    )
    expect(() => proof.device(call).moved('offload')).toThrow(
      /Copy destinations of nullblk\d+: .* is missing/,
    )
    expect(() => seen(copied).fellBack()).toThrow(/Copy destinations of nullblk\d+: .* is too much/)
    expect(() => seen(copied).untouched()).toThrow(/saw 1 Copy commands, not none/)
    expect(() => seen({ writes: activity.writes.slice(1) }).fellBack()).toThrow(
      /written over the link .* missing/,
    )
    expect(() => seen({ reads: [] }).fellBack()).toThrow(/read over the link .* is missing/)
    expect(() => seen({ errors: [`${nb.name} W: -5`] }).fellBack()).toThrow(/reported an error/)
    expect(() => proof.device(call).fellBack({ failed: 1 })).toThrow(/reported 0 errors, not 1/)
    expect(() => proof.device(call).untouched()).toThrow(/was written to: nullblk/)
    expect(call.witnesses.device).toBe(false)

    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(nb).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'control/023',
  'a concatenated volume is refused on the other disk, and where one disk would go on',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [first, second, from] = [await disk('nocopy'), await disk('scsi0'), await disk('scsi4k')]
    const rows = [linear(first, MiB(1), MiB(2)), linear(second, MiB(4), MiB(2))]
    const volume = await dm.table(rows)
    const data = pattern(MiB(1))
    await from.write(0, data)
    const at = MiB(2) - KiB(512)
    const call = await copy({ path: 'never', from: from.at(0), to: volume.at(at), bytes: MiB(1) })
    // Never made in the guest: the mapping that a kernel would use that got it wrong.
    const wrong = {
      swapped: new Volume('swapped', [...rows].reverse(), async () => ''),
      straight: new Volume('straight', [linear(first, MiB(1), MiB(4))], async () => ''),
    }
    for (const other of Object.values(wrong)) {
      const requests = call.requests.map((request) => ({ ...request, to: other.at(at) }))
      expect(() => proof.device({ ...call, requests }).fellBack()).toThrow(/device: written over the link of/)
      expect(() => proof.guest({ ...call, requests }).fellBack()).toThrow(/guest: .* destination of/)
      const restore = forget(other, at, MiB(1))
      await expect(proof.host(other).changedOnly(at, data)).rejects.toThrow(/host: /)
      restore()
    }
    expect(Object.values(call.witnesses)).toEqual([false, false, false])

    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(at, data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'control/024',
  'ciphertext of another key, another sector, or of one level too few is refused',
  { needs: ['CONFIG_DM_CRYPT'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [ns, from] = [await disk('nocopy'), await disk('scsi0')]
    const [key, other] = [pattern(64).data, pattern(64).data]
    const under = await dm.crypt(await dm.linear(ns, MiB(1), MiB(8)), key)
    const volume = await dm.crypt(await dm.linear(under, MiB(1), MiB(4)), other)
    const data = pattern(KiB(64))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: volume.at(MiB(1)), bytes: KiB(64) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    const wrong = {
      swappedKeys: [
        crypt(new Volume('inner', [crypt(ns, MiB(1), MiB(8), other)], none), MiB(1), MiB(4), key),
      ],
      otherSector: [linear(ns, MiB(1), MiB(1)), crypt(under, MiB(2), MiB(4), other)],
      oneLevel: [crypt(ns, MiB(2), MiB(4), other)],
      plain: [linear(ns, MiB(2), MiB(4))],
    }
    for (const rows of Object.values(wrong)) {
      const claimed = new Volume('claimed', rows, none)
      const restore = forget(claimed, MiB(1), KiB(64))
      await expect(proof.host(claimed).changedOnly(MiB(1), data)).rejects.toThrow(
        /host: nocopy: .* are wrong/,
      )
      restore()
    }
    expect(call.witnesses.host).toBe(false)
    await proof.host(volume).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

async function none(): Promise<string> {
  throw new Error('never made in the guest')
}

kernelCase(
  'control/025',
  'a killed copy is refused for more than it did, and one that was not killed at all',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const [from, ns] = [await disk('nocopy'), await disk('scsi0')]
    const data = pattern(KiB(64))
    await from.write(0, data)
    const to = await dm.linear(ns, MiB(1), MiB(4))
    const request = { path: 'never' as const, from: from.at(0), to: to.at(0), bytes: KiB(64) }
    await to.suspend()
    const copying = await session.begin(request)
    await copying.sendKill()
    // What was sent to the volume before waits for it.
    await to.resume()
    const killed = await copying.done()
    const { copied } = proof.guest(killed).killed()
    expect(() => proof.guest(killed).fellBack()).toThrow(/guest: error is KILLED, not 0/)
    expect(() => proof.guest(killed).refused('EINTR')).toThrow(/guest: error is KILLED, not EINTR/)
    const { activity } = killed
    if (!activity) throw new Error('no trace of the devices')
    const besides = { disk: ns.name, offset: 0, bytes: 512, carriesData: true }
    const wider = { ...activity, writes: [...activity.writes, besides] }
    expect(() => proof.device({ ...killed, activity: wider }).reached(copied, 'fallback')).toThrow(
      /written over the link of scsi0: .* is too much/,
    )
    const nothing = { ...activity, writes: [] }
    expect(() => proof.device({ ...killed, activity: nothing }).reached(KiB(64), 'fallback')).toThrow(
      /1048576\+65536 of scsi0 was not written/,
    )
    proof.device(killed).reached(copied, 'fallback')
    const restore = forget(to, 0, KiB(64))
    await expect(proof.host(to).changedUpTo(0, pattern(KiB(64)), KiB(4))).rejects.toThrow(/host: scsi0/)
    restore()
    await proof.host(to).changedUpTo(0, data, copied)

    const call = await copy(request)
    expect(() => proof.guest(call).killed()).toThrow(/guest: error is 0, not KILLED/)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(0, data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'control/026',
  'a volume that is read back is refused for other data, and its driver for writing elsewhere',
  { needs: ['CONFIG_DM_SNAPSHOT'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [origin, cow, other] = [await disk('nocopy'), await disk('large'), await disk('scsi4k')]
    // Its digest is taken by the guest, six times.
    const volume = await dm.snapshot(await dm.linear(origin, 0, MiB(5)), await dm.linear(cow, 0, MiB(8)))
    const data = pattern(KiB(64))
    const call = await copy({ path: 'never', from: volume.at(0), to: volume.at(MiB(4)), bytes: KiB(64) })
    const { activity } = call
    if (!activity) throw new Error('no trace of the devices')
    const seen = (writes: typeof activity.writes) =>
      proof.device({ ...call, activity: { ...activity, writes } })
    const write = { offset: MiB(8), bytes: 4096, carriesData: true }
    for (const name of [origin.name, cow.name, other.name]) {
      expect(() => seen([...activity.writes, { ...write, disk: name }]).fellBack()).toThrow(
        new RegExp(`written over the link of ${name}: .* is too much`),
      )
    }
    expect(() => seen([]).fellBack()).toThrow(/0 bytes were written for snapshot\d+, not 65536/)
    expect(() => proof.device(call).moved('offload')).toThrow(/no device can copy from or to snapshot/)
    expect(call.witnesses.device).toBe(false)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()

    const restore = forget(volume, MiB(4), KiB(64))
    await expect(proof.host(volume).unchanged()).rejects.toThrow(/host: snapshot\d+: .* the first at 4194304/)
    await expect(proof.host(volume).changedOnly(MiB(4), data)).rejects.toThrow(/host: snapshot/)
    restore()
    // Not where the driver keeps its own.
    await flip(cow.path, MiB(8), async () => {
      await expect(
        proof.host(volume).changedOnly(MiB(4), volume.backing.expectedAt(0, KiB(64))),
      ).rejects.toThrow(`host: large: 1 bytes are wrong, the first at ${MiB(8)}`)
    })
    await proof.host(volume).changedOnly(MiB(4), volume.backing.expectedAt(0, KiB(64)))
    await proof.host(other).unchanged()
  },
)

kernelCase(
  'control/027',
  'a wrong guard, and metadata that changed besides, are refused',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('scsi0'), await disk('pi')]
    const data = pattern(KiB(64))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(1)), bytes: KiB(64) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    const tuple = (block: number) => to.bytes + block * 8
    for (const place of [tuple(MiB(1) / 512), tuple(MiB(1) / 512 + 128), tuple(0)]) {
      await flip(to.path, place, async () => {
        await expect(proof.host(to).changedOnly(MiB(1), data)).rejects.toThrow(
          `host: pi: 1 bytes are wrong, the first at ${place}`,
        )
      })
    }
    expect(call.witnesses.host).toBe(false)
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

/** Changes a byte of a file while `look` looks. */
async function flip(path: string, place: number, look: () => Promise<void>): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, place)
    await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, place)
    await look()
    await file.write(byte, 0, 1, place)
  } finally {
    await file.close()
  }
}

kernelCase(
  'control/028',
  'source ranges in another order, or of another namespace, are refused',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(KiB(48))
    await ns.write(0, data)
    const ranges: [number, number][] = [
      [KiB(32), KiB(16)],
      [0, KiB(8)],
    ]
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) })
    const { activity, traced } = call
    if (!activity || !traced) throw new Error('no trace')
    const more = {
      ...call,
      requests: call.requests.map((one) => ({ ...one, ranges: [...ranges, [KiB(8), 512]] })),
    }
    expect(() => proof.guest(more as typeof call).moved()).toThrow(/guest: copied is 24576, not 25088/)
    const moved = traced.map((copy) => ({
      ...copy,
      source: { ...copy.source, sector: copy.source.sector + 1 },
    }))
    expect(() => proof.guest({ ...call, traced: moved }).moved()).toThrow(/source of large: .* is missing/)
    const elsewhere = activity.copySources.map((range) => ({ ...range, disk: 'small', by: 'large' }))
    expect(() =>
      proof.device({ ...call, activity: { ...activity, copySources: elsewhere } }).moved(),
    ).toThrow(/Copy sources of large: .* is missing/)
    proof.guest(call).moved()
    proof.device(call).moved()
    const restore = forget(ns, MiB(8), KiB(24))
    const swapped = Buffer.concat([data.part(0, KiB(8)).data, data.part(KiB(32), KiB(16)).data])
    await expect(proof.host(ns).changedOnly(MiB(8), swapped)).rejects.toThrow(/host: large/)
    restore()
    const gathered = Buffer.concat([data.part(KiB(32), KiB(16)).data, data.part(0, KiB(8)).data])
    await proof.host(ns).changedOnly(MiB(8), gathered)
  },
)
