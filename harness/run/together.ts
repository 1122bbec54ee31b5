/**
 * Starts works that need one another's success. When one fails, the others are aborted and waited for, so that
 * nothing of them runs on behind the error.
 * @param start starts them with the signal that ends them: that of the caller, or of the first failure
 */
export async function together<T extends readonly unknown[] | []>(
  signal: AbortSignal,
  start: (signal: AbortSignal) => T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  const stop = new AbortController()
  const works = start(AbortSignal.any([signal, stop.signal]))
  try {
    return await Promise.all(works)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(works)
    throw error
  }
}
