# What calls by the function's name leads here, and this to the function itself.
	.section .text.late,"ax",@progbits
	.globl	__wrap_tiny
	.type	__wrap_tiny, @function
__wrap_tiny:
	.cfi_startproc
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	__real_tiny@PLT
	leal	7(%rax,%rax), %eax
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	__wrap_tiny, .-__wrap_tiny
