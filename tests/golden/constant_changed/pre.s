# A table of constants that has a name, used by one function and not by another.
	.section .rodata.weights,"a"
	.align	4
	.type	weights, @object
	.size	weights, 12
weights:
	.long	1
	.long	2
	.long	3

	.section .text.weigh,"ax",@progbits
	.globl	weigh
	.type	weigh, @function
weigh:
	.cfi_startproc
	leaq	weights(%rip), %rdx
	movl	(%rdx,%rdi,4), %eax
	ret
	.cfi_endproc
	.size	weigh, .-weigh

	.section .text.other,"ax",@progbits
	.globl	other
	.type	other, @function
other:
	.cfi_startproc
	leal	2(%rdi,%rdi), %eax
	ret
	.cfi_endproc
	.size	other, .-other
