import { expect, test } from 'vitest'
import { parseYaml } from '../../../../harness/config/yaml.ts'
import { profileSchema } from '../../../../harness/series/profile.ts'

const refused = (text: string): string => {
  try {
    parseYaml('p.yaml', text, profileSchema)
  } catch (error) {
    expect(error).toMatchObject({ name: 'Failure', kind: 'usage' })
    return (error as Error).message
  }
  throw new Error('it was taken')
}

test.each([
  ['abi: {}\n', 'p.yaml:1: name: expected a name for the series'],
  ['', 'p.yaml:1: the file: expected name, abi, sysfs, tracepoints, offloads, checkpatch, madeFor'],
  ['name: x\nbai: {}\n', 'p.yaml:2: unknown key bai; expected name, abi,'],
  [
    'name: x\nabi:\n  BLKCPY: true\n',
    'p.yaml:3: unknown key abi.BLKCPY; expected BLKCOPY, BLKCOPYV, copy_file_range',
  ],
  ['name: x\nabi: [BLKCOPY]\n', 'p.yaml:2: abi: expected BLKCOPY, BLKCOPYV, copy_file_range'],
  ['name: x\nabi:\n  BLKCOPY: 3\n', "p.yaml:3: abi.BLKCOPY: expected true, false or a patch's file name"],
  [
    'name: x\noffloads: { nvme: true }\n',
    'p.yaml:2: unknown key offloads.nvme; expected nvme-same-namespace,',
  ],
  [
    'name: x\nsysfs:\n  limit: ../x\n  hardwareLimit: y\n',
    'p.yaml:3: sysfs.limit: expected a name of letters',
  ],
  ['name: x\nsysfs: { limit: x }\n', 'p.yaml:2: sysfs.hardwareLimit: expected a name'],
  ['name: x\nmadeFor: 6.12\n', 'p.yaml:2: madeFor: expected versions by the name of the tree'],
  ['name: x\nmadeFor: { "6.12": 6.12 }\n', "p.yaml:2: madeFor.6.12: expected a tree's version in quotes"],
  ['name: x\n\tabi: {}\n', 'p.yaml:2: Tabs are not allowed as indentation'],
])('%j is refused with the line and what was expected', (text, words) => {
  expect(refused(text)).toContain(words)
})

test('what is left out is not offered', () => {
  const { value } = parseYaml('p.yaml', 'name: x\n', profileSchema)
  expect([...Object.values(value.abi), ...Object.values(value.offloads)]).not.toContain(true)
})
