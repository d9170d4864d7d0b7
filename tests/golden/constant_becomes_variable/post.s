	.hidden	limit
	.section .data.limit,"aw",@progbits
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
	incl	limit(%rip)
	movl	limit(%rip), %eax
	imull	%edi, %eax
	addl	$77, %eax
	ret
	.cfi_endproc
	.size	use, .-use

