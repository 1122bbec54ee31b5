// Device mapper over units.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { linear, mirror } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'scsi/064',
  'dm-linear over a unit',
  { offloads: ['dm-linear', 'scsi-same-unit'] },
  async ({ session, disk, copy, dm, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const volume = await dm.linear(unit, MiB(1) + 512, MiB(16))
    const data = pattern(MiB(1))
    await volume.write(512, data)
    const call = await copy({
      path: ['dm-linear', 'scsi-same-unit'],
      from: volume.at(512),
      to: volume.at(MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/065',
  'between volumes over two units of a target',
  { offloads: ['dm-linear', 'scsi-cross-unit'] },
  async ({ session, disk, copy, dm, pattern, proof }) => {
    const target = await session.target()
    const [a, b] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const [from, to] = [await dm.linear(a, MiB(1), MiB(8)), await dm.linear(b, 512, MiB(8))]
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({
      path: ['dm-linear', 'scsi-cross-unit'],
      from: from.at(0),
      to: to.at(MiB(4)),
      bytes: MiB(1),
    })
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload')
    await proof.host(to).changedOnly(MiB(4), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/066',
  'a volume of two units, across the boundary',
  { offloads: ['dm-linear', 'scsi-cross-unit'] },
  async ({ session, disk, copy, dm, pattern, proof }) => {
    const target = await session.target()
    const [a, b] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const volume = await dm.table([linear(a, 0, MiB(4)), linear(b, MiB(1), MiB(8))])
    const data = pattern(MiB(1))
    await volume.write(MiB(4) - KiB(256), data)
    const call = await copy({
      path: ['dm-linear', 'scsi-cross-unit'],
      from: volume.at(MiB(4) - KiB(256)),
      to: volume.at(MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(call).moved('offload')
    const { copyDestinations } = proof.device(call).moved('offload')
    // No command has sources on two units.
    expect(copyDestinations[0]?.bytes).toBe(KiB(256))
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/067',
  'between volumes over units of two targets',
  { offloads: ['dm-linear', 'scsi-cross-unit'] },
  async ({ session, disk, copy, dm, pattern, proof }) => {
    const a = await (await session.target()).unit(await disk('large'))
    const b = await (await session.target()).unit(await disk('small'))
    const [from, to] = [await dm.linear(a, MiB(1), MiB(8)), await dm.linear(b, 512, MiB(8))]
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(4), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/068',
  'dm-crypt over a unit never',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, dm, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const volume = await dm.crypt(unit)
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({ path: 'dm-crypt', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/072',
  'the resync of a mirror from one unit of a target to another is offloaded',
  {
    offloads: ['dm-kcopyd', 'scsi-cross-unit'],
    needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'],
  },
  async ({ session, disk, dm, pattern, proof }) => {
    const target = await session.target()
    const [source, destination] = [
      await target.unit(await disk('large')),
      await target.unit(await disk('small')),
    ]
    const data = pattern(MiB(2))
    await source.write(MiB(1), data)
    const [from, to] = [source.at(MiB(1)), destination.at(MiB(16))]
    const call = await session.watch({ path: 'dm-kcopyd', from, to, bytes: MiB(2) }, async () => {
      const volume = await dm.table([mirror([from, to], MiB(2), KiB(256))])
      await volume.becomes(/ mirror .* 8\/8 1 A+ /)
    })
    proof.guest(call).moved('offload')
    expect(proof.device(call).moved('offload').copies).not.toEqual([])
    await proof.host(destination).changedOnly(MiB(16), data)
    await proof.host(source).unchanged()
  },
)
