# The fix reads the variable.
	.section .text.count,"ax",@progbits
	.globl	count
	.type	count, @function
count:
	.cfi_startproc
	endbr64
	movq	level@GOTPCREL(%rip), %rax
	imull	(%rax), %edi
	leal	3(%rdi,%rdi,2), %eax
	imull	$7717, %eax, %eax
	ret
	.cfi_endproc
	.size	count, .-count

	.section .text.raise,"ax",@progbits
	.globl	raise
	.type	raise, @function
raise:
	.cfi_startproc
	endbr64
	movq	level@GOTPCREL(%rip), %rax
	addl	%edi, (%rax)
	ret
	.cfi_endproc
	.size	raise, .-raise

	.section .data.level,"aw"
	.globl	level
	.type	level, @object
	.align	4
	.size	level, 4
level:
	.long	5
