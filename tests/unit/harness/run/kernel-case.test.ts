import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test, vi } from 'vitest'

// It starts a vitest of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

async function outcomeAfter(messages: string) {
  const directory = await mkdtemp(join(tmpdir(), 'copylab-unit-'))
  const driver = fileURLToPath(new URL('run-one-case.ts', import.meta.url))
  // A vitest must not take itself for a worker of this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')))
  const argv = ['--import', import.meta.resolve('tsx'), driver, directory, messages]
  try {
    const { stdout } = await execa(process.execPath, argv, { env, extendEnv: false })
    return JSON.parse(stdout)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

test.concurrent('a kernel that boots in silence gets its case judged', async () => {
  expect(await outcomeAfter('[    0.5] nvme nvme0: pci function\n')).toMatchObject([
    { id: 'toy/001', verdict: 'not run', reason: 'the unpatched kernel 6.12.0 has no BLKCOPY ioctl' },
  ])
})

test.concurrent('a warning in the boot fails the case', async () => {
  const splat = '[    0.5] WARNING: CPU: 0 PID: 1 at block/bio.c:1'
  expect(await outcomeAfter(`[    0.1] fine\n${splat}\n[    0.6] on\n`)).toMatchObject([
    { verdict: 'fail', reason: splat, record: { splat, dmesg: expect.stringContaining('[    0.6] on') } },
  ])
})
