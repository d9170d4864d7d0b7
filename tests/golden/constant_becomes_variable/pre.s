# What was a constant is written now. Another file that does not change reads it.
	.hidden	limit
	.section .rodata.limit,"a",@progbits
	.globl	limit
	.align 4
	.type	limit, @object
	.size	limit, 4
limit:
	.long	7

	.section .text.use,"ax",@progbits
	.globl	use
	.type	use, @function
use:
	.cfi_startproc
	movl	limit(%rip), %eax
	imull	%edi, %eax
	addl	$77, %eax
	ret
	.cfi_endproc
	.size	use, .-use

