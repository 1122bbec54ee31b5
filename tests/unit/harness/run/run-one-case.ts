/** Runs a case in vitest, as `copylab run` does, on a guest that only pretends; argv: a private directory and the boot's messages. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../../../../harness/config/load.ts'
import { hostGuests } from '../../../../harness/run/guest-host.ts'
import type { CellFacts } from '../../../../harness/run/outcome.ts'
import { runCases } from '../../../../harness/run/vitest.ts'
import { ConsoleLog } from '../../../../qemu/console.ts'
import type { Guest } from '../../../../qemu/guest.ts'

const [directory = '', messages = ''] = process.argv.slice(2)
const log = join(directory, 'console.log')
writeFileSync(log, messages)
const file = join(directory, 'one.test.ts')
const fixture = join(projectRoot, 'tests/fixtures/case.ts')
writeFileSync(
  file,
  `import { kernelCase } from ${JSON.stringify(fixture)}\nkernelCase('toy/001', 'toy', {}, async () => {})\n`,
)

const guest = {
  ...{ release: '6.12.0', bootMs: 1, argv: [], consoleLog: log, traceLog: '', disks: new Map(), alive: true },
  console: new ConsoleLog(log),
  exec: async () => ({
    status: 0,
    stdout: Buffer.from('0\nprobe call=BLKCOPY error=ENOTTY\n'),
    stderr: Buffer.alloc(0),
  }),
  kill: async () => {},
}
const host = await hostGuests({ directory, boot: async () => guest as unknown as Guest })
const outcomes = await runCases({
  root: projectRoot,
  facts: { cell: { name: 'toy' } } as CellFacts,
  cases: [{ id: 'toy/001', group: 'toy', description: 'toy', offloads: [], needs: [], file }],
  context: {
    ...{
      socket: host.socket,
      series: null,
      profile: null,
      kernelConfig: '/nonexistent',
      qemuVersion: '7.2.22',
    },
    caseTimeoutMs: 10_000,
  },
  known: [],
  reporter: {},
  commandFor: (id) => id,
  signal: new AbortController().signal,
})
await host.close()
// vitest has set an exit status of its own.
process.stdout.write(JSON.stringify(outcomes), () => process.exit(0))
