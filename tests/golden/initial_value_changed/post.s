# Another initial value: the running one was made from the old.
	.section .data.limit,"aw"
	.globl	limit
	.align	4
	.type	limit, @object
	.size	limit, 4
limit:
	.long	50

	.section .text.get,"ax",@progbits
	.globl	get
	.type	get, @function
get:
	.cfi_startproc
	movq	limit@GOTPCREL(%rip), %rax
	movl	(%rax), %eax
	ret
	.cfi_endproc
	.size	get, .-get
