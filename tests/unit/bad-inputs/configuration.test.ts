import { mkdir, rm, symlink } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { fileSchema } from '../../../harness/config/schema.ts'
import { useLab } from './lab.ts'

const lab = useLab()

const good = 'trees:\n  toy: { directory: linux }\ntree: toy\nkconfig: [base]\n'
/** All that copylab.yaml may have. */
const keys = `expected ${Object.keys(fileSchema.shape).join(', ')}`
const yaml = 'mend the YAML there, or just above'

describe('copylab.yaml', () => {
  test.each([
    ['an unknown key', `${good}serie: none\n`, `$/copylab.yaml:5: unknown key serie; ${keys}`],
    [
      'a key twice',
      `${good}tree: toy\n`,
      `$/copylab.yaml:5: the key tree is there twice\n  remedy:  ${yaml}`,
    ],
    ['a syntax error', `${good}machine: {\n`, /^\$\/copylab\.yaml:[56]: .+\n {2}remedy: {2}mend the YAML/],
    [
      'a tab',
      'trees:\n\ttoy: {}\n',
      `$/copylab.yaml:2: Tabs are not allowed as indentation\n  remedy:  ${yaml}`,
    ],
    ['nothing in it', '# none yet\n', `$/copylab.yaml:1: the file: ${keys}`],
    ['a list instead of keys', '- a\n', `$/copylab.yaml:1: the file: ${keys}`],
    ['no trees', 'tree: toy\n', '$/copylab.yaml:1: trees: expected a map of keys and values; it is missing'],
    [
      'a wrong type',
      `${good}machine:\n  cpus: many\n`,
      '$/copylab.yaml:6: machine.cpus: expected number, received string',
    ],
    ['an alias of nothing', `${good}series: *mine\n`, /^\$\/copylab\.yaml:5: Unresolved alias .*: mine\n/],
    ['aliases in a circle', `${good}series: &mine [*mine]\n`, /^\$\/copylab\.yaml:5: .*expected/],
    [
      'aliases that would grow without end',
      `${'abcdefg'.replace(/./g, (at) => `${at}: &${at} [${`${at === 'a' ? '1' : `*${String.fromCharCode(at.charCodeAt(0) - 1)}`}, `.repeat(9)}]\n`)}`,
      /^\$\/copylab\.yaml:1: Excessive alias count/,
    ],
    [
      'a tree that it does not list',
      good.replace('tree: toy', 'tree: "6.12"'),
      '$/copylab.yaml:3: there is no tree "6.12"; expected one of: toy',
    ],
    [
      'a tree that is not there',
      good.replace('linux', 'gone'),
      '$/copylab.yaml:3: there is no directory $/gone\n  remedy:  name one that is there',
    ],
    [
      'a fragment that is not there',
      good.replace('[base]', '[base, debgu]'),
      `there is no kconfig fragment $/kconfigs/debgu.config
  remedy:  copylab.yaml and --kconfig take sets of copylab.yaml, names of files in kconfigs/ without .config, or paths`,
    ],
  ])('with %s', async (_what, text, message) => {
    await lab.write('copylab.yaml', text)
    const said = await lab.refused(2, ['run', '--dry-run'])
    if (typeof message === 'string') expect(said).toBe(message)
    else expect(said).toMatch(message)
  })

  test.each([
    [
      'sets of fragments that contain each other',
      'kconfigs:\n  one: [base, two]\n  two: [one]\n',
      `$/copylab.yaml:6: kconfigs.one: the set contains itself: one > two > one\n  remedy:  take one out of two`,
    ],
    [
      'an unknown axis',
      'matrix:\n  tree: [toy]\n  arch: [x86]\n',
      '$/copylab.yaml:7: unknown key matrix.arch; expected the axes tree, series, kconfig, qemu, and exclude and include',
    ],
    [
      'an unknown value of an axis',
      'matrix:\n  tree: [toy, "7.3"]\n',
      '$/copylab.yaml:6: matrix.tree.1: there is no "7.3" under trees:; expected one of: toy',
    ],
    [
      'a series of the matrix that is not there',
      'matrix:\n  series: [none, gone]\n',
      `$/copylab.yaml:5: matrix: { series: gone }: there is no series $/gone
  remedy:  name a directory, a mailbox, a range of commits as REPOSITORY:A..B, or none`,
    ],
    [
      'a matrix without cells',
      'matrix:\n  tree: [toy]\n  exclude: [{ tree: toy }]\n',
      '$/copylab.yaml:5: matrix: exclude takes away every cell, and include adds none\n  remedy:  exclude less',
    ],
  ])('with %s', async (_what, text, message) => {
    await lab.write('copylab.yaml', `${good}${text}`)
    expect(await lab.refused(2, ['run', '--matrix', '--dry-run'])).toBe(message)
  })

  test('that is a directory', async () => {
    await rm(lab.at('copylab.yaml'))
    await mkdir(lab.at('copylab.yaml'))
    expect(await lab.refused(2, ['build'])).toMatch(
      /^cannot read \$\/copylab\.yaml: EISDIR: .*\n {2}remedy: /,
    )
  })
})

describe('a fragment', () => {
  test('that includes another, or itself', async () => {
    for (const line of ['source "loop.config"', 'include loop.config', '#include "loop.config"']) {
      await lab.write('kconfigs/loop.config', `CONFIG_B=y\n${line}\n`)
      expect(await lab.refused(2, ['build', '--kconfig', 'base,loop'])).toBe(
        `$/kconfigs/loop.config:2: a fragment cannot include another: ${line}
  remedy:  name both, in kconfig: of copylab.yaml or with --kconfig`,
      )
    }
  })

  test('that is a link to itself', async () => {
    await symlink('loop.config', lab.at('kconfigs/loop.config'))
    expect(await lab.refused(2, ['build', '--kconfig', 'loop'])).toMatch(
      /^cannot read \$\/kconfigs\/loop\.config: ELOOP: .*\n {2}remedy: {2}its symbolic links lead in a circle/,
    )
  })

  test('that contradicts another', async () => {
    await lab.write('kconfigs/other.config', '# without\n# CONFIG_A is not set\n')
    expect(await lab.refused(2, ['build', '--kconfig', 'base,other'])).toBe(
      `CONFIG_A is wanted n by $/kconfigs/other.config:2, y by $/kconfigs/base.config:1
  remedy:  leave one of the two fragments out, or move the option to a fragment of its own`,
    )
  })

  test('with a line that says nothing', async () => {
    await lab.write('mine.config', 'CONFIG_B=y\nCONFIG_C = y\n')
    expect(await lab.refused(2, ['build', '--kconfig', './mine.config'])).toBe(
      `$/mine.config:2: expected CONFIG_X=value or # CONFIG_X is not set, not CONFIG_C = y
  remedy:  mend the line, or make it a comment with #`,
    )
  })

  test('with an option that cannot be set: what it lacks, and the final .config', async () => {
    await lab.write('mine.config', 'CONFIG_B=y\nCONFIG_NEVER=y\n')
    expect(await lab.refused(2, ['build', '--kconfig', 'base,./mine.config'])).toMatch(
      /^\$\/mine\.config:2: CONFIG_NEVER is wanted y, but kconfig made it n\n {4}Kconfig:1: it depends on NET \(n\)\n {2}log: {5}\$\/cache\/copylab\/build\/\S+\/\.config\n {2}remedy: {2}add what is missing to a fragment, or take the line out$/,
    )
  })
})

/** Words of the command line, and all that is said of them. */
const wrongWords: [string[], string][] = [
  [['frobnicate'], "unknown command 'frobnicate'\n  remedy:  copylab --help shows what there is"],
  [['--frob'], "unknown option '--frob'\n  remedy:  copylab --help shows what there is"],
  [['run', '--frob'], "unknown option '--frob'\n  remedy:  copylab run --help shows what there is"],
  [
    ['run', '--series'],
    "option '--series <what>' argument missing\n  remedy:  copylab run --help shows what there is",
  ],
  [
    ['cache', 'verify', 'all'],
    "too many arguments for 'verify'. Expected 0 arguments but got 1.\n  remedy:  copylab cache verify --help shows what there is",
  ],
  [
    ['run', 'nvme/999'],
    `there is no case or group 'nvme/999'
  remedy:  did you mean nvme/009, nvme/019, nvme/029, nvme/039, nvme/049? 'copylab list' has them all`,
  ],
  [
    ['run', '--shard', '4/3'],
    `--shard: expected i/n such as 2/3, with i from 1 to n, not "4/3"
  remedy:  the first of three machines runs --shard 1/3, the second 2/3, the third 3/3`,
  ],
  [
    ['run', '--matrix'],
    `$/copylab.yaml has no matrix:
  remedy:  list what the cells differ in, as in matrix: { tree: ["6.12", "7.3"] }`,
  ],
  [
    ['report', 'linux'],
    `$/linux/summary.json cannot be read: ENOENT: no such file or directory, open '$/linux/summary.json'
  remedy:  give directories that copylab run has written its results to`,
  ],
  [['run', '--memory', '1'], '--memory: Too small: expected number to be >=128; it was "1" MiB'],
  [['run', '--patches', 'all'], '--patches: expected a number from 0 on, not "all"'],
  [
    ['run', '--patches', '1'],
    `--patches 1: there is no series to take patches of
  remedy:  name a series with --series, or leave the option out`,
  ],
  [
    ['run', '--kconfig', ''],
    `option '--kconfig <names>' argument '' is invalid. Expected names separated by commas.
  remedy:  copylab run --help shows what there is`,
  ],
  [
    ['check-series', '--only', 'build,'],
    `option '--only <checks>' argument 'build,' is invalid. Expected names separated by commas.
  remedy:  copylab check-series --help shows what there is`,
  ],
  [
    ['run', '--tree', 'frob'],
    `--tree: there is no tree "frob"; expected one of: toy
  remedy:  a path has a / in it, as in ./linux; copylab run --help has more`,
  ],
  [['check-series'], 'there is no series to check\n  remedy:  name one with --series, or in copylab.yaml'],
  [
    ['shell'],
    `standard input is no terminal, so there can be no prompt
  remedy:  give the command to run: copylab shell -- COMMAND`,
  ],
  [
    ['run', '--results', 'copylab.yaml'],
    `cannot write results to $/copylab.yaml: EEXIST: file already exists, mkdir '$/copylab.yaml'
  remedy:  name another directory with --results`,
  ],
]

test('a group that there is not', async () => {
  // Which there are changes with the cases.
  expect(await lab.refused(2, ['list', 'frob'])).toMatch(
    /^there is no case or group 'frob'\n {2}remedy: {2}groups are block, .*, scsi.*; 'copylab list' has all cases$/,
  )
})

test.each(wrongWords)('copylab %j', async (words, message) => {
  expect(await lab.refused(2, words)).toBe(message)
})
