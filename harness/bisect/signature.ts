/** By what a failure is known again on another kernel. */
import { z } from 'zod'

export const signatureSchema = z.object({
  /**
   * `assertion`: the case's own words; `splat`: the kernel's complaint; `leak`: kmemleak's; `timeout`: the case, or a command of
   * it, has not ended; `lost`: the guest was lost without a complaint; `build` and `boot`: there is no kernel, or it does
   * not come up.
   */
  kind: z.enum(['assertion', 'splat', 'leak', 'timeout', 'lost', 'build', 'boot']),
  /** One line, without what differs from build to build and from boot to boot. */
  text: z.string(),
  /** Functions of the kernel's stack, the innermost first, without offsets; empty when there is none. */
  frames: z.array(z.string()),
})

export type Signature = z.infer<typeof signatureSchema>
