# Calls the function by the name that the link gives it beside its own.
	.section .text.late,"ax",@progbits
	.globl	late
	.type	late, @function
late:
	.cfi_startproc
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	other@PLT
	leal	7(%rax,%rax), %eax
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	late, .-late
