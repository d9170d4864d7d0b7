# A function too short for a jump, which only functions of this image call by its name, and others by one that the link made.
	.hidden	tiny
	.section .text.tiny,"ax",@progbits
	.globl	tiny
	.type	tiny, @function
tiny:
	.cfi_startproc
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	tiny, .-tiny

	.section .text.next,"ax",@progbits
	.globl	next
	.type	next, @function
next:
	.cfi_startproc
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	tiny@PLT
	leal	9(%rax,%rax), %eax
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	next, .-next
