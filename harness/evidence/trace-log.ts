/** QEMU's trace log, which grows for as long as a guest lives. */
import { open } from 'node:fs/promises'

/** Text from a position on. QEMU writes whole lines before it completes a command. */
export async function readFrom(path: string, position: number): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const buffer = Buffer.alloc(size - position)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
