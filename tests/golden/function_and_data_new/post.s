# It calls a new one, which has a variable and a constant of its own. What nobody uses does not come along.
	.section .data.seen,"aw"
	.align	4
	.type	seen, @object
	.size	seen, 4
seen:
	.long	3

	.section .rodata.bound,"a"
	.align	4
	.type	bound, @object
	.size	bound, 4
bound:
	.long	9

	.section .data.unused,"aw"
	.align	4
	.type	unused, @object
	.size	unused, 4
unused:
	.long	1

	.section .text.check,"ax",@progbits
	.type	check, @function
check:
	.cfi_startproc
	addl	$1, seen(%rip)
	movl	bound(%rip), %eax
	ret
	.cfi_endproc
	.size	check, .-check

	.section .text.entry,"ax",@progbits
	.globl	entry
	.type	entry, @function
entry:
	.cfi_startproc
	call	check
	leal	1(%rdi), %eax
	ret
	.cfi_endproc
	.size	entry, .-entry
