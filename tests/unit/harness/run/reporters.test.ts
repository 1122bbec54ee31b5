import { expect, test } from 'vitest'
import { Reporters } from '../../../../harness/run/reporters.ts'

test('a reporter whose disk is full is heard of at the end, and disturbs no other', () => {
  const heard: string[] = []
  const full = () => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), {
      syscall: 'write',
      code: 'ENOSPC',
    })
  }
  const reporters = new Reporters([{ onRunEnd: full }, { onRunEnd: () => heard.push('end') }])
  reporters.onRunEnd({ interrupted: false })
  reporters.onRunEnd({ interrupted: false })
  expect(heard).toEqual(['end', 'end'])
  expect(reporters.failure).toMatchObject({
    kind: 'infra',
    message: 'cannot write the results: ENOSPC: no space left on device, write',
  })
})

test('a bug in a reporter is not swallowed', () => {
  const broken = () => {
    throw new TypeError('x is undefined')
  }
  expect(() => new Reporters([{ onRunEnd: broken }]).onRunEnd({ interrupted: false })).toThrow(TypeError)
})
