# A function that chooses an implementation when the program is loaded.
	.section .text.plain,"ax",@progbits
	.type	plain, @function
plain:
	.cfi_startproc
	leal	1(%rdi), %eax
	ret
	.cfi_endproc
	.size	plain, .-plain

	.section .text.best,"ax",@progbits
	.globl	best
	.type	best, @gnu_indirect_function
best:
	.cfi_startproc
	leaq	plain(%rip), %rax
	ret
	.cfi_endproc
	.size	best, .-best
