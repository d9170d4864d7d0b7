# Two addresses among merged constants, as gcc's vectoriser writes them in code of a fixed address: their bytes are equal.
	.section .rodata.cst8,"aM",@progbits,8
	.align	8
.LC0:
	.quad	one
.LC1:
	.quad	other

	.section .text.other,"ax",@progbits
	.globl	other
	.type	other, @function
other:
	.cfi_startproc
	movq	.LC1(%rip), %rax
	movl	$12345678, %ecx
	ret
	.cfi_endproc
	.size	other, .-other

	.section .text.one,"ax",@progbits
	.globl	one
	.type	one, @function
one:
	.cfi_startproc
	movq	.LC0(%rip), %rax
	movq	.LC1(%rip), %rdx
	movl	$2, %ecx
	ret
	.cfi_endproc
	.size	one, .-one
