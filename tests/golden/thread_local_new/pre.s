# A function without thread-local data.
	.section .text.entry,"ax",@progbits
	.globl	entry
	.type	entry, @function
entry:
	.cfi_startproc
	leal	1(%rdi), %eax
	ret
	nop
	nop
	.cfi_endproc
	.size	entry, .-entry
