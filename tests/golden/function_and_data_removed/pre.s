# A function, its helper and the helper's variable.
	.section .data.seen,"aw"
	.align	4
	.type	seen, @object
	.size	seen, 4
seen:
	.long	3

	.section .text.helper,"ax",@progbits
	.type	helper, @function
helper:
	.cfi_startproc
	addl	$1, seen(%rip)
	ret
	.cfi_endproc
	.size	helper, .-helper

	.section .text.entry,"ax",@progbits
	.globl	entry
	.type	entry, @function
entry:
	.cfi_startproc
	call	helper
	leal	1(%rdi), %eax
	ret
	.cfi_endproc
	.size	entry, .-entry
