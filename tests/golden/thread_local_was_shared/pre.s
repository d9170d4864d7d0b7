	.section .bss.depth,"aw",@nobits
	.align	4
	.type	depth, @object
	.size	depth, 4
depth:
	.zero	4

	.section .text.entry,"ax",@progbits
	.globl	entry
	.type	entry, @function
entry:
	.cfi_startproc
	movl	depth(%rip), %eax
	addl	$1, %eax
	movl	%eax, depth(%rip)
	ret
	.cfi_endproc
	.size	entry, .-entry
