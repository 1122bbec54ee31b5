/**
 * A firmware image of 64 KiB that proves that an accelerator runs a guest: from the reset vector to protected mode and
 * on to long mode with paging, as a kernel does, and there 2^27 turns of a loop before it reports. The loop is what
 * tells: it takes 0.1 s on a processor, but a nested KVM that emulates instructions one by one passes every mode
 * switch and never gets through the loop, nor through a kernel's boot.
 *
 *         .code16
 *   start: cli
 *         lgdtl   %cs:gdtr - start
 *         movl    %cr0, %eax;  orb $1, %al;  movl %eax, %cr0      # protected mode
 *         ljmpl   $8, $(protected - start + 0xf0000)
 *         .code32
 *   protected:
 *         movw    $16, %ax;  movw %ax, %ds;  movw %ax, %es
 *         movl    $0x1000, %edi;  xorl %eax, %eax;  movl $0xc00, %ecx
 *         cld;  rep stosl                                         # page tables: 0..2 MiB onto itself
 *         movl    $0x2003, 0x1000;  movl $0x3003, 0x2000;  movl $0x83, 0x3000
 *         movl    $0x1000, %eax;  movl %eax, %cr3
 *         movl    $0x20, %eax;  movl %eax, %cr4                   # PAE
 *         movl    $0xc0000080, %ecx;  rdmsr;  orb $1, %ah;  wrmsr # EFER.LME
 *         movl    %cr0, %eax;  orl $0x80000000, %eax;  movl %eax, %cr0
 *         ljmpl   $24, $(long - start + 0xf0000)
 *         .code64
 *   long: movl    $0x8000000, %ecx
 *   2:    decl    %ecx;  jnz 2b
 *         movb    $0x2a, %al;  outb %al, $0xf4                    # isa-debug-exit
 *   1:    hlt;  jmp 1b
 *         .balign 8
 *   gdt:  .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
 *   gdtr: .word   31;  .long gdt - start + 0xf0000
 */
const code = [
  'fa 2e660f0116b000 0f20c0 0c01 0f22c0 66ea18000f000800',
  '66b81000 8ed8 8ec0 bf00100000 31c0 b9000c0000 fc f3ab',
  'c7050010000003200000 c7050020000003300000 c7050030000083000000',
  'b800100000 0f22d8 b820000000 0f22e0 b9800000c0 0f32 80cc01 0f30 0f20c0 0d00000080 0f22c0 ea7b000f001800',
  'b900000008 ffc9 75fc b02a e6f4 f4 ebfd 8db4000090',
  '0000000000000000 ffff0000009bcf00 ffff00000093cf00 ffff0000009baf00 1f00 90000f00',
]

/** The reset vector, 16 bytes below the end: a far jump to the start of the image. */
const resetVector = 'ea 0000 00f0'

/** QEMU's exit status when the guest got through: isa-debug-exit makes 2n+1 of 0x2a. */
export const probePassed = 0x2a * 2 + 1

export function probeRom(): Buffer {
  const rom = Buffer.alloc(0x10000)
  const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
  bytes(code.join('')).copy(rom, 0)
  bytes(resetVector).copy(rom, 0xfff0)
  return rom
}
