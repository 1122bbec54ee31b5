import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { evaluate, parseExpression } from '../../../../harness/kernel/kconfig-expression.ts'
import { explainOption, readKconfig } from '../../../../harness/kernel/kconfig-files.ts'

const values = new Map([
  ['Y', 'y'],
  ['M', 'm'],
  ['TEN', '10'],
  ['WORD', '"x86"'],
])

describe('expressions', () => {
  test.each([
    ['Y', 'y'],
    ['NONE', 'n'],
    ['!Y', 'n'],
    ['!M', 'm'],
    ['Y && M', 'm'],
    ['NONE || M', 'm'],
    ['NONE && Y || Y', 'y'],
    ['NONE && (Y || Y)', 'n'],
    ['!(NONE || NONE) && Y', 'y'],
    ['Y=y', 'y'],
    ['M!=n', 'y'],
    ['TEN >= 9 && TEN<11', 'y'],
    ['WORD = "x86"', 'y'],
    ['$(success,test -f (a)) && Y', 'y'],
  ])('%s is %s', (text, value) => {
    expect(evaluate(parseExpression(text), values)).toBe(value)
  })
})

describe('why an option is off', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'copylab-kconfig-'))
    await mkdir(join(directory, 'arch/x86'), { recursive: true })
    await writeFile(
      join(directory, 'Kconfig'),
      'source "arch/$(SRCARCH)/Kconfig"\nif OUTER\nsource "sub"\nendif\nconfig LAST\n\tbool "last"\n',
    )
    await writeFile(
      join(directory, 'arch/x86/Kconfig'),
      [
        'config HELPED',
        '\tbool "helped"',
        '\thelp',
        '\t  if you think so',
        '\t  depends on NOTHING',
        '',
        '\t  endif',
        '\tdepends on Y && \\',
        '\t\tNET',
        '',
      ].join('\n'),
    )
    await writeFile(
      join(directory, 'sub'),
      [
        'menu "m"',
        '\tdepends on MENU || Y',
        'config INNER',
        '\ttristate "inner" if EXPERT',
        '\tdepends on (A || B)',
        '\tdepends on !Y',
        'endmenu',
        'config HIDDEN',
        '\tbool',
        '\tdefault y if Y',
        'choice',
        '\tprompt "c"',
        '\tdepends on CHOICE',
        'config CHOSEN',
        '\tbool "chosen"',
        'endchoice',
        'menuconfig FREE',
        '\tint "free"',
        '\trange 1 5',
      ].join('\n'),
    )
  })
  afterAll(() => rm(directory, { recursive: true }))

  test.each([
    ['HELPED', ['arch/x86/Kconfig:1: it depends on NET (n)']],
    ['INNER', ['sub:3: it depends on OUTER (n), and on EXPERT (n), and on (A (n) || B (n)), and on !Y (y)']],
    ['HIDDEN', ['sub:8: it depends on OUTER (n)']],
    ['CHOSEN', ['sub:14: it depends on OUTER (n), and on CHOICE (n)']],
    ['LAST', ['its dependencies hold; its type or its range does not allow this value']],
    ['NONE', ['this tree has no such option']],
  ])('%s', async (name, reasons) => {
    const options = await readKconfig(directory, { SRCARCH: 'x86' })
    expect(explainOption(name, 'y', options, values)).toEqual(reasons)
  })

  test('an option without a prompt says so once its dependencies hold', async () => {
    const options = await readKconfig(directory, { SRCARCH: 'x86' })
    const outer = new Map([...values, ['OUTER', 'y']])
    expect(explainOption('HIDDEN', 'y', options, outer)[0]).toContain('it has no prompt')
    expect(explainOption('FREE', '9', options, outer)[0]).toContain('range')
  })
})
