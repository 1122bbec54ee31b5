// Copy commands of users: none that reads a namespace which the file that it is sent through does not stand for.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { Disk } from '../fixtures/disk.ts'
import { tool } from '../fixtures/lab.ts'
import { MiB } from '../fixtures/units.ts'

const [root, nobody] = [0, 65534]

/** What comes of a Copy command of one block that a user sends to a namespace. */
async function sends(
  { session }: CaseTools,
  to: Disk,
  o: { user: number; format: number; source: Disk; lba: number },
): Promise<string> {
  const { traced } = o.source
  const nsid = o.format < 2 || traced.kind !== 'nvme' ? 0 : traced.nsid
  const words = [o.user, o.format, nsid, 0, o.lba].map(String)
  return (await session.must([tool, 'passthrough', to.device, ...words])).trim()
}

kernelCase(
  'nvme/043',
  'a user may copy inside of a namespace that he has open, and not from another one into it',
  { offloads: 'nvme-cross-namespace' },
  async (tools) => {
    const { disk, copy, pattern, proof } = tools
    const [from, to] = [await disk('large'), await disk('small')]
    const [own, other] = [pattern(512), pattern(512)]
    await to.write(0, own)
    await from.write(0, other)
    const sent = (o: { user: number; format: number; lba: number }) =>
      sends(tools, to, { source: from, ...o })
    expect(await sent({ user: nobody, format: 2, lba: 10 })).toBe('passthrough error=EACCES status=0')
    expect(await sent({ user: nobody, format: 0, lba: 11 })).toBe('passthrough error=0 status=0')
    // The command itself is right.
    expect(await sent({ user: root, format: 2, lba: 12 })).toBe('passthrough error=0 status=0')
    const call = await copy({ path: 'nvme-cross-namespace', from: from.at(0), to: to.at(MiB(1)), bytes: 512 })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnlyIn([
      [11 * 512, own],
      [12 * 512, other],
      [MiB(1), other],
    ])
    await proof.host(from).unchanged()
  },
)
