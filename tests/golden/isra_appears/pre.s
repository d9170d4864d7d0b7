# A function as the source has it.
	.section .text.take,"ax",@progbits
	.type	take, @function
take:
	.cfi_startproc
	movl	(%rdi), %eax
	addl	$5, %eax
	ret
	.cfi_endproc
	.size	take, .-take

	.section .text.user,"ax",@progbits
	.globl	user
	.type	user, @function
user:
	.cfi_startproc
	call	take
	addl	%esi, %eax
	ret
	.cfi_endproc
	.size	user, .-user
