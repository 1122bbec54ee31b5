// Namespaces with metadata or protection information take Copy commands, and the series does not send them any.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const names = ['meta', 'pi'] as const

/** A copy inside of a namespace, which must be read and written; the host looks at the metadata, too. */
async function inside({ disk, copy, pattern, proof }: CaseTools, name: string, bytes: number) {
  const ns = await disk(name)
  const data = pattern(bytes)
  await ns.write(512 * 3, data)
  const call = await copy({ path: 'never', from: ns.at(512 * 3), to: ns.at(MiB(4)), bytes })
  proof.guest(call).fellBack()
  proof.device(call).fellBack()
  await proof.host(ns).changedOnly(MiB(4), data)
}

kernelCase('nvme/050', 'inside of a namespace with metadata', {}, async (tools) => {
  await inside(tools, 'meta', MiB(1) + 512)
})

kernelCase(
  'nvme/051',
  'inside of a namespace with protection information, which is right for the new place',
  {},
  async (tools) => {
    await inside(tools, 'pi', MiB(1) + 512)
  },
)

kernelCase('nvme/052', 'a single block with protection information', {}, async (tools) => {
  await inside(tools, 'pi', 512)
})

kernelCase(
  'nvme/053',
  'metadata and no fallback: EOPNOTSUPP, and copy_max_hw_bytes is 0',
  { needs: ['limits'] },
  async ({ disk, copy, proof, session }) => {
    for (const name of names) {
      const ns = await disk(name)
      const { hardwareLimit, limit } = session.profile.sysfs
      expect(await session.getQueue(ns, hardwareLimit), name).toBe('0')
      expect(await session.getQueue(ns, limit), name).toBe('0')
      const call = await copy(
        { path: 'never', from: ns.at(0), to: ns.at(MiB(4)), bytes: KiB(64) },
        { flags: NO_FALLBACK },
      )
      proof.guest(call).refused('EOPNOTSUPP')
      proof.device(call).untouched()
      await proof.host(ns).unchanged()
    }
  },
)

kernelCase(
  'nvme/054',
  'between namespaces of one controller, with and without metadata',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const disks = [await disk('meta'), await disk('pi'), await disk('slow')]
    for (const from of disks) {
      for (const to of disks) {
        if (from === to) continue
        // QEMU 7.2 writes metadata of more than 512 bytes that are no multiple of that only in part.
        const data = pattern(KiB(64))
        await from.write(KiB(4), data)
        const call = await copy({
          path: 'never',
          from: from.at(KiB(4)),
          to: to.at(MiB(2)),
          bytes: data.bytes,
        })
        proof.guest(call).fellBack()
        proof.device(call).fellBack()
        await proof.host(to).changedOnly(MiB(2), data)
        await proof.host(from).unchanged()
      }
    }
  },
)
