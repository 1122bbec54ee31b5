import { expect, test } from 'vitest'
import { encryptXtsPlain64 } from '../../../../harness/evidence/crypt.ts'

test('IEEE 1619 vector 10: XTS-AES-256, data unit 0xff', () => {
  const key = Buffer.from(
    '27182818284590452353602874713526624977572470936999595749669676273141592653589793238462643383279502884197169399375105820974944592',
    'hex',
  )
  const plain = Buffer.from(Array.from({ length: 512 }, (_, index) => index & 0xff))
  const cipher = encryptXtsPlain64(key, plain, 0xff * 512)
  expect(cipher.subarray(0, 32).toString('hex')).toBe(
    '1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b',
  )
})

test('each sector has an IV of its own: the same plaintext differs by place', () => {
  const key = Buffer.from(Array.from({ length: 64 }, (_, index) => index))
  const two = encryptXtsPlain64(key, Buffer.alloc(1024), 4096)
  expect(two.subarray(0, 512).equals(two.subarray(512))).toBe(false)
  expect(two.subarray(512).equals(encryptXtsPlain64(key, Buffer.alloc(512), 4096 + 512))).toBe(true)
  expect(() => encryptXtsPlain64(key, Buffer.alloc(100), 0)).toThrow(RangeError)
})
