# The same with other labels: nothing changed.
	.section .rodata.choose,"a"
	.align	4
.L14:
	.long	.L17-.L14
	.long	.L16-.L14
	.long	.L15-.L14

	.section .text.choose,"ax",@progbits
	.globl	choose
	.type	choose, @function
choose:
	.cfi_startproc
	leaq	.L14(%rip), %rdx
	movslq	(%rdx,%rdi,4), %rax
	addq	%rdx, %rax
	jmp	*%rax
.L17:
	movl	$10, %eax
	ret
.L16:
	movl	$20, %eax
	ret
.L15:
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
