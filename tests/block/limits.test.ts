// queue/copy_max_bytes and queue/copy_max_hw_bytes.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'block/021',
  'copy_max_bytes of 0 turns offload off',
  { needs: ['limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    await session.setQueue(ns, session.profile.sysfs.limit, '0')
    const call = await copy({ path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/022',
  'copy_max_bytes of 0 and no fallback is EOPNOTSUPP',
  { needs: ['limits'] },
  async ({ disk, copy, proof, session }) => {
    const ns = await disk('large')
    await session.setQueue(ns, session.profile.sysfs.limit, '0')
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'block/023',
  'copy_max_bytes bounds what one command copies',
  { needs: ['limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(64)))
    const call = await copy({ path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    const { copies, copySources } = proof.device(call).moved()
    const { tracepoints } = session.profile
    const events = call.traced?.filter(({ event, error }) => event === tracepoints?.offload && !error)
    if (session.offloads('nvme-same-namespace'))
      expect(copies.length).toBeGreaterThanOrEqual(MiB(1) / KiB(64))
    // A range here may be longer than 64 KiB, so that no command needs two: what a range has is what its command has.
    for (const { ranges } of copies) expect(ranges).toBe(1)
    for (const { bytes } of [...copySources, ...(events ?? [])]) expect(bytes).toBeLessThanOrEqual(KiB(64))
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/024',
  'copy_max_hw_bytes is what the device can do, and read-only',
  { offloads: 'nvme-same-namespace', needs: ['limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('small')
    const hardware = Number(await session.getQueue(ns, session.profile.sysfs.hardwareLimit))
    expect(hardware).toBeGreaterThan(0)
    expect(hardware).toBeLessThanOrEqual(ns.limits?.commandBytes ?? 0)
    expect(await session.getQueue(await disk('nocopy'), session.profile.sysfs.hardwareLimit)).toBe('0')
    expect(await session.getQueue(await disk('scsi0'), session.profile.sysfs.hardwareLimit)).toBe('0')
    await expect(session.setQueue(ns, session.profile.sysfs.hardwareLimit, '512')).rejects.toThrow(
      /EACCES|EPERM|EIO/,
    )

    // A copy as long as that must be one that the device takes.
    const data = pattern(hardware)
    await ns.write(0, data)
    const call = await copy({
      path: 'nvme-same-namespace',
      from: ns.at(0),
      to: ns.at(MiB(8)),
      bytes: hardware,
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)
