# The first one changed.
	.section .text.tiny,"ax",@progbits
	.globl	tiny
	.type	tiny, @function
tiny:
	.cfi_startproc
	movl	$1, %eax
	ret
	.cfi_endproc
	.size	tiny, .-tiny

	.section .text.next,"ax",@progbits
	.globl	next
	.type	next, @function
next:
	.cfi_startproc
	leal	9(%rdi,%rdi), %eax
	ret
	.cfi_endproc
	.size	next, .-next
