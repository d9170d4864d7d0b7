# Two variables in a section that the source names change places.
	.section chosen,"aw",@progbits
	.align 4
	.type	a, @object
	.size	a, 4
a:
	.long	7
	.type	b, @object
	.size	b, 4
b:
	.long	7

	.section .text.use,"ax",@progbits
	.globl	use
	.type	use, @function
use:
	.cfi_startproc
	movl	a(%rip), %eax
	imull	b(%rip), %eax
	leal	3(%rax,%rax), %eax
	ret
	.cfi_endproc
	.size	use, .-use

