# The compiler now passes a value instead of a pointer and says so in the name: the caller changed with it.
	.section .text.take.isra.0,"ax",@progbits
	.type	take.isra.0, @function
take.isra.0:
	.cfi_startproc
	leal	6(%rdi), %eax
	ret
	.cfi_endproc
	.size	take.isra.0, .-take.isra.0

	.section .text.user,"ax",@progbits
	.globl	user
	.type	user, @function
user:
	.cfi_startproc
	movl	(%rdi), %edi
	call	take.isra.0
	addl	%esi, %eax
	ret
	.cfi_endproc
	.size	user, .-user
