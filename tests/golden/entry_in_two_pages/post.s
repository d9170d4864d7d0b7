# A function whose first bytes are in two pages: a jump there would take two writes. Only functions of this image call it.
	.hidden	crosses
	.section .text.before,"ax",@progbits
	.globl	before
	.type	before, @function
before:
	.cfi_startproc
	.fill	2046, 2, 0xc031
	.cfi_endproc
	.size	before, .-before

	.section .text.crosses,"ax",@progbits
	.globl	crosses
	.type	crosses, @function
crosses:
	.cfi_startproc
	movl	$4, %eax
	leal	5(%rax,%rdi), %eax
	ret
	.cfi_endproc
	.size	crosses, .-crosses

	.section .text.next,"ax",@progbits
	.globl	next
	.type	next, @function
next:
	.cfi_startproc
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	crosses@PLT
	leal	9(%rax,%rax), %eax
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	next, .-next
