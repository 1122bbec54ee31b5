import { defineConfig } from 'vitest/config'

// The harness's own tests. Kernel cases need a guest: `copylab run` starts vitest for those by itself.
export default defineConfig({
  test: {
    include: ['tests/unit/**/*.test.ts'],
  },
})
