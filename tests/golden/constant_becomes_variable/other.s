	.hidden	limit
	.section .text.reads,"ax",@progbits
	.globl	reads
	.type	reads, @function
reads:
	.cfi_startproc
	movl	limit(%rip), %eax
	imull	%edi, %eax
	addl	$99, %eax
	ret
	.cfi_endproc
	.size	reads, .-reads

