# A new function with a "count" of its own takes the first number. Only it is new; up() calls it and changed.
	.section .data.count.0,"aw"
	.align	4
	.type	count.0, @object
	.size	count.0, 4
count.0:
	.long	7

	.section .bss.count.1,"aw",@nobits
	.align	4
	.type	count.1, @object
	.size	count.1, 4
count.1:
	.zero	4

	.section .data.count.2,"aw"
	.align	4
	.type	count.2, @object
	.size	count.2, 4
count.2:
	.long	100

	.section .text.fresh,"ax",@progbits
	.type	fresh, @function
fresh:
	.cfi_startproc
	addl	$3, count.0(%rip)
	ret
	.cfi_endproc
	.size	fresh, .-fresh

	.section .text.up,"ax",@progbits
	.globl	up
	.type	up, @function
up:
	.cfi_startproc
	call	fresh
	addl	$1, count.1(%rip)
	movl	count.1(%rip), %eax
	ret
	.cfi_endproc
	.size	up, .-up

	.section .text.down,"ax",@progbits
	.globl	down
	.type	down, @function
down:
	.cfi_startproc
	subl	$1, count.2(%rip)
	movl	count.2(%rip), %eax
	ret
	.cfi_endproc
	.size	down, .-down
