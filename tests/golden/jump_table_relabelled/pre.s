# A switch over a table of distances, as compilers emit it.
	.section .rodata.choose,"a"
	.align	4
.L4:
	.long	.L7-.L4
	.long	.L6-.L4
	.long	.L5-.L4

	.section .text.choose,"ax",@progbits
	.globl	choose
	.type	choose, @function
choose:
	.cfi_startproc
	leaq	.L4(%rip), %rdx
	movslq	(%rdx,%rdi,4), %rax
	addq	%rdx, %rax
	jmp	*%rax
.L7:
	movl	$10, %eax
	ret
.L6:
	movl	$20, %eax
	ret
.L5:
	movl	$30, %eax
	ret
	.cfi_endproc
	.size	choose, .-choose

	.section .text.beside,"ax",@progbits
	.globl	beside
	.type	beside, @function
beside:
	.cfi_startproc
	leal	3(%rdi,%rsi), %eax
	ret
	.cfi_endproc
	.size	beside, .-beside
