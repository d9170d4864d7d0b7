# They are called in the other order now: each variable is still its own, and none gets the other's initial value.
	.section .data.seen.0,"aw"
	.align	4
	.type	seen.0, @object
	.size	seen.0, 4
seen.0:
	.long	5

	.section .data.seen.1,"aw"
	.align	4
	.type	seen.1, @object
	.size	seen.1, 4
seen.1:
	.long	9

	.section .text.foo,"ax",@progbits
	.globl	foo
	.type	foo, @function
foo:
	.cfi_startproc
	addl	$4, seen.0(%rip)
	addl	$3, seen.1(%rip)
	ret
	.cfi_endproc
	.size	foo, .-foo
