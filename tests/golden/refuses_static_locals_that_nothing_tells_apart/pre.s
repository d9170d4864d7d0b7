# Two inlined functions, each with a static local called "seen".
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

	.section .text.foo,"ax",@progbits
	.globl	foo
	.type	foo, @function
foo:
	.cfi_startproc
	addl	$1, seen.1(%rip)
	addl	$2, seen.0(%rip)
	ret
	.cfi_endproc
	.size	foo, .-foo
