# Two functions without padding between them, the first too short for a jump.
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
	leal	9(%rdi,%rdi), %eax
	ret
	.cfi_endproc
	.size	next, .-next
