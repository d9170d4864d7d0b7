# A third came in between: the numbers have moved, and which of them are the old two cannot be told.
	.section .data.seen.0,"aw"
	.align	4
	.type	seen.0, @object
	.size	seen.0, 4
seen.0:
	.long	7

	.section .data.seen.1,"aw"
	.align	4
	.type	seen.1, @object
	.size	seen.1, 4
seen.1:
	.long	7

	.section .data.seen.2,"aw"
	.align	4
	.type	seen.2, @object
	.size	seen.2, 4
seen.2:
	.long	7

	.section .text.foo,"ax",@progbits
	.globl	foo
	.type	foo, @function
foo:
	.cfi_startproc
	addl	$1, seen.2(%rip)
	addl	$2, seen.1(%rip)
	addl	$3, seen.0(%rip)
	ret
	.cfi_endproc
	.size	foo, .-foo
