// Starts the QEMU named by its arguments and waits to be killed.
import { startQemu } from '../../../qemu/process.ts'

const [qemu = '', directory = ''] = process.argv.slice(2)
await startQemu(qemu, [], directory)
