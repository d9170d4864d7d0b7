	.hidden	moved
	.section .text.caller,"ax",@progbits
	.globl	caller
	.type	caller, @function
caller:
	.cfi_startproc
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	moved@PLT
	addl	$77, %eax
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	caller, .-caller

