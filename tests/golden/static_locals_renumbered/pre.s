# Two functions, each with a static local called "count".
	.section .bss.count.0,"aw",@nobits
	.align	4
	.type	count.0, @object
	.size	count.0, 4
count.0:
	.zero	4

	.section .data.count.1,"aw"
	.align	4
	.type	count.1, @object
	.size	count.1, 4
count.1:
	.long	100

	.section .text.up,"ax",@progbits
	.globl	up
	.type	up, @function
up:
	.cfi_startproc
	addl	$1, count.0(%rip)
	movl	count.0(%rip), %eax
	ret
	.cfi_endproc
	.size	up, .-up

	.section .text.down,"ax",@progbits
	.globl	down
	.type	down, @function
down:
	.cfi_startproc
	subl	$1, count.1(%rip)
	movl	count.1(%rip), %eax
	ret
	.cfi_endproc
	.size	down, .-down
